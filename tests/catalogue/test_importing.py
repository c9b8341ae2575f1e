"""What somebody brings is recognised by its content, and is installed whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aura_local.catalogue.importing import bring
from aura_local.catalogue.known_models import known_store
from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.models_folder import ModelsFolder
from aura_local.catalogue.recognition import recognise
from aura_local.data_files import data_folder
from aura_local.errors import (
    AuraError,
    Conflict,
    InvalidRequest,
    ModelDamaged,
    StorageFull,
    UnsupportedMedia,
)
from tests.catalogue.made_models import contents, gguf, write_files

WHISPER = {
    name: (data_folder("models") / "whisper-synthetic-tiny" / name).read_bytes()
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.json", "preprocessor_config.json")
}
VOICE = (data_folder("voices") / "piper-synthetic" / "voice.onnx").read_bytes()
DESCRIPTION = (data_folder("voices") / "piper-synthetic" / "voice.onnx.json").read_bytes()
MINILM = (data_folder("models") / "all-MiniLM-L6-v2-ct2-int8" / "model.bin").read_bytes()


def brought(path: Path, home: Path, name: str | None = None) -> ModelEntry:
    taken = {entry.name for entry in known_store(home).entries}
    return bring(path, ModelsFolder(home / "models"), name=name, taken=taken, reserve_bytes=0)


@pytest.mark.parametrize(
    ("files", "job", "engine", "installed"),
    [
        ({"holiday.jpg": gguf()}, "language_model", "llama", {"model.gguf"}),
        (
            {"a.txt": VOICE, "b.txt": DESCRIPTION},
            "text_to_speech",
            "piper",
            {"voice.onnx", "voice.onnx.json"},
        ),
        ({**WHISPER, "README.md": b"hello"}, "speech_to_text", "whisper", set(WHISPER)),
    ],
)
def test_a_model_is_recognised_by_content_whatever_its_name(
    tmp_path: Path, files: dict[str, bytes], job: str, engine: str, installed: set[str]
) -> None:
    stick = write_files(tmp_path / "stick", files)
    entry = brought(stick, tmp_path / "home", "mine")
    assert (entry.job, entry.engine, entry.licence) == (job, engine, "unknown")
    assert {file.name for file in entry.files} == installed
    store = known_store(tmp_path / "home")
    assert store.entry("mine") == entry
    assert store.verify(entry).folder == tmp_path / "home" / "models" / "mine"


def test_a_file_of_a_folder_can_be_named(tmp_path: Path) -> None:
    stick = write_files(tmp_path, {"one.gguf": gguf(), "two words.gguf": gguf()})
    with pytest.raises(InvalidRequest, match=r"several models: name one of one\.gguf, two words\.gguf"):
        recognise(stick)
    assert brought(stick / "two words.gguf", tmp_path / "home").name == "two-words"


def test_the_language_of_a_voice_is_in_its_description(tmp_path: Path) -> None:
    german = json.loads(DESCRIPTION) | {"language": {"family": "de"}}
    files = {"v.onnx": VOICE, "v.onnx.json": json.dumps(german).encode()}
    assert recognise(write_files(tmp_path, files)).languages == ("de",)


def tensor_elsewhere() -> bytes:
    """An ONNX model whose only weights are in another file."""

    def part(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    location = part(13, part(1, b"location") + part(2, b"../../etc/passwd"))
    return b"\x08\x08" + part(7, part(5, location + b"\x70\x01"))


@pytest.mark.parametrize(
    ("files", "kind", "reason"),
    [
        ({"notes.txt": b"hello"}, UnsupportedMedia, "holds no model"),
        ({"model.bin": MINILM}, UnsupportedMedia, "no Whisper: TransformerEncoderSpec"),
        ({"v.onnx": VOICE}, UnsupportedMedia, r"v\.onnx\.json is missing"),
        ({"v.onnx": VOICE, "v.onnx.json": b"{}"}, UnsupportedMedia, r"v\.onnx\.json is missing"),
        ({"v.onnx": VOICE[:-1], "v.onnx.json": DESCRIPTION}, ModelDamaged, "its end is missing"),
        ({"v.onnx": tensor_elsewhere(), "v.onnx.json": DESCRIPTION}, ModelDamaged, "in other files"),
        ({"v.onnx": b"\x08\x08" + b"\xff" * 20}, ModelDamaged, "a number has no end"),
        ({"v.onnx": b"\x08\x08"}, ModelDamaged, "it has no graph"),
        ({"model.bin": WHISPER["model.bin"]}, ModelDamaged, "lacks config.json, tokenizer.json"),
        ({**WHISPER, "model.bin": WHISPER["model.bin"][:-1]}, ModelDamaged, "its end is missing"),
        ({**WHISPER, "model.bin": WHISPER["model.bin"] + b"x"}, ModelDamaged, "something follows"),
        ({**WHISPER, "config.json": b"{"}, ModelDamaged, "config.json"),
        ({**WHISPER, "vocabulary.json": b"["}, ModelDamaged, "vocabulary.json"),
        ({"m.gguf": gguf()[:-1]}, ModelDamaged, "its end is missing"),
        ({"m.gguf": gguf({"general.architecture": "mamba"})}, UnsupportedMedia, "architecture mamba"),
    ],
)
def test_what_is_no_whole_model_of_ours_leaves_nothing(
    tmp_path: Path, files: dict[str, bytes], kind: type[AuraError], reason: str
) -> None:
    stick = write_files(tmp_path / "stick", files)
    with pytest.raises(kind, match=reason):
        brought(stick, tmp_path / "home")
    assert not (tmp_path / "home" / "models").exists()


@pytest.mark.parametrize("name", ["pins.json", "licences.json", "catalogue.toml", "../x", ".x", "a b", ""])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    stick = write_files(tmp_path / "stick", {"m.gguf": gguf()})
    with pytest.raises(InvalidRequest, match="choose another"):
        brought(stick, tmp_path / "home", name)


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    stick = write_files(tmp_path / "stick", {"m.gguf": gguf()})
    brought(stick, tmp_path / "home", "mine")
    for name in ("mine", "whisper-tiny"):
        with pytest.raises(Conflict, match="--name"):
            brought(stick, tmp_path / "home", name)


def test_without_room_nothing_is_copied(tmp_path: Path) -> None:
    stick = write_files(tmp_path / "stick", {"m.gguf": gguf()})
    folder = ModelsFolder(tmp_path / "models")
    with pytest.raises(StorageFull):
        bring(stick, folder, name=None, taken=(), reserve_bytes=0, free=lambda path: 10)
    assert set(contents(folder.path)) == {".lock"}
