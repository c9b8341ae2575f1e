"""Installs a whole bundle into a folder of its own: environment, models, documentation. Layer 4.

    FOLDER/releases/DIGEST/            files of one bundle, and `environment` with everything installed
    FOLDER/current                     a link to the release that counts; switched last, in one step
    FOLDER/home                        the data folder (`AURA_HOME`), with the models

Whatever stops an installation, `current` leads to a whole release or is not there, and the next attempt
begins its own release again. The release before is kept, to go back to by hand. Standard library and
`aura_local.errors` only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from aura_local.bundle.manifest import BundleFile
from aura_local.bundle.models_placing import RECORD, staged_models
from aura_local.bundle.placing import alone_in, stage, sync_folder, write_durably
from aura_local.bundle.reading import Bundle, Progress
from aura_local.bundle.suitability import (
    FreeBytes,
    Installed,
    file_errors_told,
    free_bytes,
    read_installed,
    refuse_older,
    refuse_unsuitable,
    refuse_without_room,
)
from aura_local.errors import EngineUnavailable

Run: TypeAlias = Callable[[Sequence[str]], None]
"""Runs a command to its end; raises `EngineUnavailable` where it fails."""

UNPACKED_TIMES: Final = 4
"""What installed wheels take on the disk, as a multiple of their own size: 2.9 was measured."""

_RECORD: Final = "installed.json"


@dataclass(frozen=True, slots=True)
class Release:
    folder: Path
    home: Path
    fresh: bool
    """False where this bundle was the current one already."""

    @property
    def command(self) -> Path:
        return self.folder / "environment" / "bin" / "aura"


def run(command: Sequence[str]) -> None:
    """Without the caller's settings for pip and Python, which could name other places to install from."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=kept | {"PIP_CONFIG_FILE": os.devnull},
    )
    if done.returncode != 0:
        raise EngineUnavailable(
            f"{Path(command[0]).name} {' '.join(command[1:5])} failed: "
            f"{(done.stderr or done.stdout).strip()[-800:]} (on Debian the package python3-venv is needed)"
        )


def remembered(folder: Path) -> Installed | None:
    """The bundle that `folder` was installed from."""
    return read_installed(folder / "current" / _RECORD)


def install_release(
    bundle: Bundle,
    folder: Path,
    *,
    allow_older: bool,
    progress: Progress,
    tell: Callable[[str], None],
    run: Run = run,
    free: FreeBytes = free_bytes,
) -> Release:
    """Install the bundle into `folder`, new or with an earlier release. Blocks for about a minute.

    Raises `InvalidRequest` for another platform or Python, `Conflict` for an older bundle, `StorageFull`
    before anything is written, `StorageUnavailable`, `Busy`, `EngineUnavailable` where the environment
    cannot be made, and like `stage`; `current` is then as it was.
    """
    folder = folder.absolute()
    manifest = bundle.manifest
    refuse_unsuitable(manifest)
    installed = remembered(folder)
    refuse_older(manifest, installed, allow_older=allow_older)
    home, current = folder / "home", folder / "current"
    before = folder / "releases" / current.resolve().name if current.is_symlink() else None
    release = folder / "releases" / bundle.manifest_sha256[:10]
    if installed is not None and installed.manifest_sha256 == bundle.manifest_sha256:
        return Release(release if before is None else before, home, fresh=False)
    if release == before:
        # Somebody removed its record to install without comparing; it counts until the new one is whole.
        release = release.with_name(bundle.manifest_sha256[10:20])
    wheels = sum(file.size_bytes for file in manifest.of_kind("wheel"))
    needed_bytes = sum(file.size_bytes for file in manifest.files) + UNPACKED_TIMES * wheels
    refuse_without_room(needed_bytes, folder, free)
    with file_errors_told(folder):
        (folder / "releases").mkdir(parents=True, exist_ok=True)
        with alone_in(folder):
            # Once more: another installation may have ended since.
            for path in (current / _RECORD, home / "models" / RECORD):
                refuse_older(manifest, read_installed(path), allow_older=allow_older)
            shutil.rmtree(release, ignore_errors=True)
            release.mkdir()
            files = [file for file in manifest.files if file.kind not in ("model", "record")]

            def kept(file: BundleFile) -> Path:
                return (before or release).joinpath(*file.name.split("/"))

            with staged_models(bundle, home / "models", progress) as models:
                stage(bundle, files, release, kept, progress)
                _make_environment(release, manifest.of_kind("wheel"), tell, run)
                models.install(bundle)
            record = Installed(manifest.version, manifest.serial, bundle.manifest_sha256, bundle.public_key)
            write_durably(release / _RECORD, record.encoded())
            # What pip wrote has to outlive a power cut that the link outlives.
            os.sync()
            _switch(current, release)
            for old in (folder / "releases").iterdir():
                if old not in (release, before):
                    shutil.rmtree(old, ignore_errors=True)
    return Release(release, home, fresh=True)


def _make_environment(
    release: Path, wheels: Sequence[BundleFile], tell: Callable[[str], None], run: Run
) -> None:
    environment = release / "environment"
    tell("Making the environment")
    # -I: without it, Python would import from the folder that this is called in, the bundle's medium maybe.
    run([sys.executable, "-I", "-m", "venv", str(environment)])
    tell(f"Installing {len(wheels)} wheels")
    pip = [str(environment / "bin" / "python"), "-I", "-m", "pip", "--isolated", "install"]
    # Each wheel by name and nothing else: what is installed is what was proved, and no index is asked.
    files = [str(release.joinpath(*file.name.split("/"))) for file in wheels]
    alone = ["--disable-pip-version-check", "--no-index", "--no-deps", "--no-input", "--no-cache-dir"]
    run([*pip, *alone, *files])


def _switch(current: Path, release: Path) -> None:
    new = current.with_name(".current.new")
    new.unlink(missing_ok=True)
    new.symlink_to(release.relative_to(current.parent), target_is_directory=True)
    new.replace(current)
    sync_folder(current.parent)
