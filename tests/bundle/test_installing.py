"""Other machines, room, downgrades, deltas and releases; pip is not run here, the torture run does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from aura_local.bundle import suitability
from aura_local.bundle.models_placing import staged_models
from aura_local.bundle.reading import no_progress, open_bundle
from aura_local.bundle.release import Release, Run, install_release, remembered
from aura_local.bundle.suitability import FreeBytes
from aura_local.bundle.trust import Trust, fingerprint, key_text
from aura_local.bundle.writing import Head, Ingredient
from aura_local.errors import (
    Busy,
    Conflict,
    EngineUnavailable,
    InvalidRequest,
    NotFound,
    StorageFull,
)
from tests.bundle.made_bundles import FILES, PUBLIC, SERIAL, head, make


class Commands:
    """In place of running them: an environment is a folder, and pip notes what it would install."""

    def __init__(self) -> None:
        self.ran: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> None:
        self.ran.append(command)


def install(
    path: Path,
    folder: Path,
    run: Run | None = None,
    *,
    allow_older: bool = False,
    free: FreeBytes = lambda _: 10**12,
) -> Release:
    with open_bundle(path, Trust(PUBLIC)) as bundle:
        return install_release(
            bundle,
            folder,
            allow_older=allow_older,
            progress=no_progress,
            tell=lambda _: None,
            free=free,
            run=run or Commands(),
        )


def changed(name: str, content: bytes) -> tuple[Ingredient, ...]:
    return tuple(Ingredient(f.name, f.kind, content if f.name == name else f.source) for f in FILES)


def test_a_whole_bundle_is_installed(tmp_path: Path) -> None:
    make(tmp_path / "a.bundle")
    run = Commands()
    release = install(tmp_path / "a.bundle", tmp_path / "to", run)
    current = tmp_path / "to" / "current"
    assert (current / "documentation" / "README.md").read_bytes() == b"# Read this\n"
    assert (release.home / "models" / "voice-a" / "voice.onnx").read_bytes() == b"voice " * 200
    assert "new" in (release.home / "models" / "pins.json").read_text()
    assert release.home.stat().st_mode & 0o077 == 0
    assert [word for word in run.ran[1] if word.endswith(".whl")] == [
        str(current.resolve() / "wheels" / "thing-1-py3-none-any.whl")
    ]
    assert {"--no-index", "--no-deps"} <= set(run.ran[1])
    assert not install(tmp_path / "a.bundle", tmp_path / "to").fresh


def test_a_failure_leaves_the_release_before(tmp_path: Path) -> None:
    make(tmp_path / "a.bundle")
    newer = changed("documentation/README.md", b"new")
    make(tmp_path / "b.bundle", newer, head("0.2.0", SERIAL + 9))
    install(tmp_path / "a.bundle", tmp_path / "to")

    def broken(command: Sequence[str]) -> None:
        if "pip" in command:
            raise EngineUnavailable("No.")

    with pytest.raises(EngineUnavailable):
        install(tmp_path / "b.bundle", tmp_path / "to", broken)
    readme = tmp_path / "to" / "current" / "documentation" / "README.md"
    assert readme.read_bytes() == b"# Read this\n"
    install(tmp_path / "b.bundle", tmp_path / "to")
    assert readme.read_bytes() == b"new"
    assert len(list((tmp_path / "to" / "releases").glob("[0-9a-f]*"))) == 2


def test_versions_do_not_go_back_unless_told(tmp_path: Path) -> None:
    make(tmp_path / "new.bundle", about=head("0.10.0", SERIAL + 1))
    make(tmp_path / "old.bundle", about=head("0.9.0", SERIAL + 2))
    make(tmp_path / "replayed.bundle", about=head("0.10.0", SERIAL))
    install(tmp_path / "new.bundle", tmp_path / "to")
    for name in ("old", "replayed"):
        with pytest.raises(Conflict, match="--allow-older"):
            install(tmp_path / f"{name}.bundle", tmp_path / "to")
    install(tmp_path / "old.bundle", tmp_path / "to", allow_older=True)
    found = remembered(tmp_path / "to")
    assert found is not None
    assert found.version == "0.9.0"


def test_a_release_follows_its_candidate(tmp_path: Path) -> None:
    """The `1` of `rc1` is no number of the version, and 1.0 is no older than 1.0.0."""
    make(tmp_path / "candidate.bundle", about=head("1.0.0rc1", SERIAL))
    make(tmp_path / "release.bundle", about=head("1.0", SERIAL + 1))
    install(tmp_path / "candidate.bundle", tmp_path / "to")
    assert install(tmp_path / "release.bundle", tmp_path / "to").fresh


def test_a_newer_bundle_that_came_meanwhile_is_not_undone(tmp_path: Path) -> None:
    make(tmp_path / "new.bundle", about=head("0.3.0", SERIAL + 2))
    make(tmp_path / "old.bundle", about=head("0.2.0", SERIAL + 1))

    def newer_comes(_: Path) -> int:
        install(tmp_path / "new.bundle", tmp_path / "to")
        return 10**12

    with pytest.raises(Conflict):
        install(tmp_path / "old.bundle", tmp_path / "to", free=newer_comes)
    found = remembered(tmp_path / "to")
    assert found is not None
    assert found.version == "0.3.0"


def test_a_folder_behind_a_link_keeps_the_release_before(tmp_path: Path) -> None:
    make(tmp_path / "a.bundle")
    make(tmp_path / "b.bundle", about=head("0.2.0", SERIAL + 1))
    (tmp_path / "disk").mkdir()
    (tmp_path / "to").symlink_to(tmp_path / "disk")
    for name in ("a", "b"):
        install(tmp_path / f"{name}.bundle", tmp_path / "to")
    assert len(list((tmp_path / "to" / "releases").iterdir())) == 2


def test_without_its_record_the_release_in_use_stays_until_the_next_is_whole(tmp_path: Path) -> None:
    make(tmp_path / "a.bundle")
    first = install(tmp_path / "a.bundle", tmp_path / "to")
    (tmp_path / "to" / "current" / "installed.json").unlink()

    def broken(_: Sequence[str]) -> None:
        raise EngineUnavailable("No.")

    with pytest.raises(EngineUnavailable):
        install(tmp_path / "a.bundle", tmp_path / "to", broken)
    readme = tmp_path / "to" / "current" / "documentation" / "README.md"
    assert readme.is_file()
    assert install(tmp_path / "a.bundle", tmp_path / "to").folder != first.folder
    assert readme.is_file()


def test_nothing_is_imported_from_the_folder_it_is_called_in(tmp_path: Path) -> None:
    """The medium with the bundle may hold a `venv.py` or `pip.py` that nobody signed."""
    make(tmp_path / "a.bundle")
    run = Commands()
    install(tmp_path / "a.bundle", tmp_path / "to", run)
    assert [list(command[1:3]) for command in run.ran] == [["-I", "-m"], ["-I", "-m"]]


@pytest.mark.parametrize(
    ("about", "told"),
    [(head(platform="plan9-mips"), "plan9-mips"), (head(python="cp399"), "Python 3.99")],
)
def test_another_machine_is_told_in_one_sentence(about: Head, told: str, tmp_path: Path) -> None:
    make(tmp_path / "a.bundle", about=about)
    with pytest.raises(InvalidRequest, match=told):
        install(tmp_path / "a.bundle", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_too_little_room_is_noticed_before_it_happens(tmp_path: Path) -> None:
    make(tmp_path / "a.bundle")
    with pytest.raises(StorageFull, match="make room"):
        install(tmp_path / "a.bundle", tmp_path / "to", free=lambda _: suitability.RESERVE_BYTES)
    assert not (tmp_path / "to").exists()


def test_two_installations_at_once_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "a.bundle")

    def second(_: Sequence[str]) -> None:
        with pytest.raises(Busy):
            install(tmp_path / "a.bundle", tmp_path / "to")

    install(tmp_path / "a.bundle", tmp_path / "to", second)


def test_a_delta_carries_what_changed_and_needs_its_base(tmp_path: Path) -> None:
    make(tmp_path / "a.bundle")
    newer = changed("models/voice-a/voice.onnx.json", b'{"a": 2}')
    manifest = make(tmp_path / "d.bundle", newer, head(serial=SERIAL + 1), tmp_path / "a.bundle")
    carried = [file.name for file in manifest.files if file.offset is not None]
    assert carried == ["models/voice-a/voice.onnx.json", "records/pins.json"]
    with pytest.raises(NotFound, match="install the base first"):
        install(tmp_path / "d.bundle", tmp_path / "other")
    assert not (tmp_path / "other" / "current").exists()
    install(tmp_path / "a.bundle", tmp_path / "to")
    release = install(tmp_path / "d.bundle", tmp_path / "to")
    voice = release.home / "models" / "voice-a"
    assert (voice / "voice.onnx.json").read_bytes() == b'{"a": 2}'
    assert (voice / "voice.onnx").read_bytes() == b"voice " * 200
    assert (tmp_path / "to" / "current" / "documentation" / "README.md").is_file()


def test_a_base_that_was_changed_here_is_no_base(tmp_path: Path) -> None:
    make(tmp_path / "a.bundle")
    make(tmp_path / "d.bundle", about=head(serial=SERIAL + 1), base=tmp_path / "a.bundle")
    install(tmp_path / "a.bundle", tmp_path / "to")
    (tmp_path / "to" / "current" / "documentation" / "README.md").write_bytes(b"# Read that\n")
    with pytest.raises(NotFound, match=r"documentation/README\.md"):
        install(tmp_path / "d.bundle", tmp_path / "to")


def test_links_in_the_way_are_replaced_and_never_followed(tmp_path: Path) -> None:
    make(tmp_path / "a.bundle")
    models, outside = tmp_path / "models", tmp_path / "outside"
    models.mkdir()
    outside.mkdir()
    (models / "ear").symlink_to(outside)
    with open_bundle(tmp_path / "a.bundle", Trust(PUBLIC)) as bundle:
        with staged_models(bundle, models, no_progress) as staged:
            staged.install(bundle)
        assert list(outside.iterdir()) == []
        assert not (models / "ear").is_symlink()
        with staged_models(bundle, models, no_progress) as staged:
            assert staged.names == ()


def test_pins_that_are_there_stay(tmp_path: Path) -> None:
    make(tmp_path / "a.bundle")
    models = tmp_path / "models"
    models.mkdir()
    (models / "pins.json").write_text('{"a/b@1/x": {"sha256": "first"}}')
    with (
        open_bundle(tmp_path / "a.bundle", Trust(PUBLIC)) as bundle,
        staged_models(bundle, models, no_progress) as staged,
    ):
        staged.install(bundle)
    assert "first" in (models / "pins.json").read_text()


def test_the_bootstrap_runs_on_a_bare_python(tmp_path: Path) -> None:
    """Isolated and without site-packages: what it imports is in the bundle or in the standard library."""
    path = tmp_path / "a.bundle"
    make(path)

    def bare(*arguments: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-I", "-S", str(path), *arguments]
        return subprocess.run(
            words, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
        )

    whole = bare("verify", "--key", key_text(PUBLIC))
    assert (whole.returncode, whole.stderr) == (0, "")
    assert "Every file is as it was signed." in whole.stdout
    unknown = bare("install", "--to", "there")
    assert unknown.returncode == 1
    assert f"--trust-fingerprint {fingerprint(PUBLIC)}" in unknown.stderr
    content = bytearray(path.read_bytes())
    content[content.index(b"voice voice")] ^= 1
    path.write_bytes(content)
    with tempfile.TemporaryDirectory(prefix="aura-") as short:
        flipped = bare("install", "--to", short, "--key", key_text(PUBLIC))
        assert not (Path(short) / "current").exists()
    assert flipped.returncode == 1
    assert "models/voice-a/voice.onnx" in flipped.stderr
