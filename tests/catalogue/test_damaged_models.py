"""Models with a fault are refused by name before any engine's parser is loaded, quickly, in little memory.

All are looked at by one process, which is still alive after the last of them.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aura_local.catalogue.importing import bring
from aura_local.catalogue.known_models import known_store
from aura_local.catalogue.models_folder import ModelsFolder
from aura_local.catalogue.suitability import refuse_useless
from aura_local.errors import InvalidRequest, ModelDamaged, ModelMissing
from tests.catalogue.damaged_models import (
    CHANCE,
    DESCRIPTION,
    FAULTS,
    VOICE,
    WHISPER,
    changed,
    two_tensors,
    voice,
)
from tests.catalogue.made_models import write_files

PARSERS = ("llama_cpp", "ctranslate2", "onnxruntime", "torch", "tokenizers", "faster_whisper", "piper")
MOST_S = 6.0
MOST_BYTES = 400_000_000

LOOK = """
import json, sys, time
from pathlib import Path
from aura_local.catalogue.recognition import recognise
from aura_local.errors import AuraError
rows = []
for path in json.load(sys.stdin):
    begin = time.perf_counter()
    try:
        recognise(Path(path))
        code, message = "accepted", ""
    except AuraError as error:
        code, message = error.code, error.message
    rows.append([code, message, time.perf_counter() - begin])
# Not ru_maxrss: it counts what the process that started this one held.
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
print(json.dumps({"rows": rows, "peak": peak, "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a fresh interpreter said about all of them."""
    root = tmp_path_factory.mktemp("damaged")
    paths = []
    for index, fault in enumerate(FAULTS.values()):
        folder = root / f"model{index}"
        folder.mkdir()
        fault.make(folder)
        paths.append(str(folder / fault.brought))
    process = subprocess.run(
        [sys.executable, "-c", LOOK], input=json.dumps(paths), capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    shutil.rmtree(root)
    said = json.loads(process.stdout)
    return said | {"rows": dict(zip(FAULTS, said["rows"], strict=True))}


def test_there_are_many() -> None:
    assert len(FAULTS) >= 60


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_refused_by_name(looked: Any, name: str) -> None:
    code, message, took_s = looked["rows"][name]
    assert code == FAULTS[name].code, message
    assert re.search(FAULTS[name].words, message), message
    assert message.isprintable()
    assert took_s < MOST_S


def test_no_parser_was_loaded_and_little_memory_used(looked: Any) -> None:
    loaded = {module.partition(".")[0] for module in looked["modules"]}
    assert not loaded & set(PARSERS)
    assert looked["peak"] < MOST_BYTES


MODELS = {
    # Two tensors as in the faults, without one.
    "chat": {"model.gguf": two_tensors(("a", 0), ("b", 512))},
    "ears": WHISPER,
    "mouth": voice(),
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with three models that were brought whole."""
    root = tmp_path_factory.mktemp("installed")
    for name, files in MODELS.items():
        stick = write_files(root / "stick" / name, files)
        bring(stick, ModelsFolder(root / "home" / "models"), name=name, taken=(), reserve_bytes=0)
    return root / "home"


FILES = [("chat", "model.gguf"), *(("ears", file) for file in WHISPER), ("mouth", "voice.onnx")]


@pytest.mark.parametrize(("model", "file"), FILES)
def test_a_bit_that_flips_in_an_installed_file_is_found(installed: Path, model: str, file: str) -> None:
    path = installed / "models" / model / file
    whole = path.read_bytes()
    store = known_store(installed)
    store.verify(store.entry(model))
    place = CHANCE.randrange(len(whole))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << CHANCE.randrange(8)]) + whole[place + 1 :])
    try:
        with pytest.raises(
            ModelDamaged, match=re.escape(f"{file} of the model {model}") + ".*SHA-256 differs"
        ):
            known_store(installed).verify(store.entry(model))
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [("cut", "bytes instead of"), ("link", "symbolic link"), ("folder", "regular file"), ("gone", "lacks")],
)
def test_an_installed_file_that_is_another_thing_is_found(
    installed: Path, tmp_path: Path, change: str, words: str
) -> None:
    path, kept = installed / "models" / "chat" / "model.gguf", tmp_path / "kept"
    path.rename(kept)
    try:
        if change == "cut":
            path.write_bytes(kept.read_bytes()[:-1])
        elif change == "link":
            path.symlink_to(kept)
        elif change == "folder":
            path.mkdir()
        store = known_store(installed)
        with pytest.raises((ModelDamaged, ModelMissing), match=words):
            store.verify(store.entry("chat"))
    finally:
        if path.is_dir():
            path.rmdir()
        kept.replace(path)


def test_a_voice_for_another_language_is_not_chosen(tmp_path: Path) -> None:
    german = changed(DESCRIPTION, language={"family": "de"})
    stick = write_files(tmp_path / "stick", {"v.onnx": VOICE, "v.onnx.json": german})
    folder = ModelsFolder(tmp_path / "home" / "models")
    entry = bring(stick, folder, name="stimme", taken=(), reserve_bytes=0)
    with pytest.raises(InvalidRequest, match=r"stimme is for de, but voice\.language is en"):
        refuse_useless(known_store(tmp_path / "home"), entry, "en")
