"""Brings a bundle's models into a data folder's `models`, each whole or not at all. Layer 4.

Shares its folders with `aura_local.catalogue.models_folder`: the lock `.lock`, what waits in `.staging`, and
`*.replaced` there, which the next change removes. Standard library and `aura_local.errors` only.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aura_local.bundle.manifest import BundleFile
from aura_local.bundle.placing import alone_in, is_whole, stage, sync_folder, write_durably
from aura_local.bundle.reading import Bundle, Progress
from aura_local.bundle.suitability import Installed
from aura_local.errors import StorageDamaged

RECORD: Final = ".bundle.json"
"""Which bundle was installed last."""
RECORDS: Final = ("pins.json", "licences.json")
"""Digests of first downloads and terms that were shown (`aura_local.catalogue.records`)."""

_STAGED: Final = "bundle"


@dataclass(frozen=True, slots=True)
class StagedModels:
    """Models that are whole and wait to get their names."""

    names: tuple[str, ...]
    folder: Path
    staged: Path

    def install(self, bundle: Bundle) -> None:
        """Rename them into place, then remember which bundle they came from."""
        for name in self.names:
            model = self.folder / name
            if model.is_symlink():
                model.unlink()
            elif model.exists():
                replaced = self.folder / ".staging" / f"{name}.replaced"
                shutil.rmtree(replaced, ignore_errors=True)
                model.rename(replaced)
            (self.staged / "models" / name).rename(model)
        sync_folder(self.folder)
        for record in RECORDS:
            _merge(self.staged / "records" / record, self.folder / record)
        manifest = bundle.manifest
        installed = Installed(manifest.version, manifest.serial, bundle.manifest_sha256, bundle.public_key)
        write_durably(self.folder / RECORD, installed.encoded())
        for left in (self.folder / ".staging").glob("*.replaced"):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def staged_models(bundle: Bundle, folder: Path, progress: Progress) -> Iterator[StagedModels]:
    """The bundle's models that `folder` (a data folder's `models`) lacks, copied and proved. Blocks.

    The folder is held meanwhile: raises `Busy`, and like `stage`. What was staged and not installed is
    removed at the end.
    """
    # One after the other: made together, the data folder above would be open to everybody.
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    staged = folder / ".staging" / _STAGED
    with alone_in(folder):
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True, mode=0o700)
        try:
            absent = missing_models(bundle, folder)
            files = [file for file in bundle.manifest.of_kind("model") if _model_of(file) in absent]
            wanted = [*files, *bundle.manifest.of_kind("record")]
            stage(bundle, wanted, staged, lambda file: _place(folder, file), progress)
            yield StagedModels(absent, folder, staged)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def missing_models(bundle: Bundle, folder: Path) -> tuple[str, ...]:
    """Names of the bundle's models that are not in `folder`, or are other ones. Hashes what is there."""
    by_name: dict[str, bool] = {}
    for file in bundle.manifest.of_kind("model"):
        name = _model_of(file)
        by_name[name] = by_name.get(name, True) and is_whole(_place(folder, file), file)
    return tuple(name for name, whole in by_name.items() if not whole)


def _model_of(file: BundleFile) -> str:
    return file.name.split("/")[1]


def _place(folder: Path, file: BundleFile) -> Path:
    """Where a model's file is once it is installed; a record is always carried."""
    return folder.joinpath(*file.name.split("/")[1:])


def _merge(new: Path, record: Path) -> None:
    """Add a bundle's rows to a record; a row that is there already stays."""
    if new.is_file():
        merged = _table(new) | _table(record)
        write_durably(record, (json.dumps(merged, indent=1, sort_keys=True) + "\n").encode("utf-8"))


def _table(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StorageDamaged(f"{path} is damaged: restore it, or move it away.") from error
    if not isinstance(value, dict):
        raise StorageDamaged(f"{path} is damaged: restore it, or move it away.")
    return value
