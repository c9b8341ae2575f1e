"""`aura models convert` and `aura models inspect` before any engine is involved."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from aura_local.data_files import data_folder
from tests.catalogue.made_models import GOOD_KEYS, gguf, write_files
from tests.catalogue.transformers_folders import bert_folder, whisper_folder
from tests.commands.invoking import Aura

SHAPE = {
    "qwen2.block_count": 24,
    "qwen2.embedding_length": 896,
    "qwen2.attention.head_count": 14,
    "qwen2.attention.head_count_kv": 2,
}
"""Of Qwen2.5-0.5B, whose cache takes 12,288 bytes per token."""


def test_without_its_packages_the_command_that_installs_them_is_named(
    aura: Aura, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    folder = write_files(tmp_path / "whisper", whisper_folder())
    result = aura("models", "convert", str(folder), code=3)
    assert result.stderr.strip() == (
        "error: Converting needs more packages: pip install 'aura-local[torch]'."
    )
    assert not aura.home.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--quantization", "int1"), 2, "--quantization is one of int8, "),
        (("--dynamic-window",), 2, "for Whisper alone"),
    ],
)
def test_a_mistake_is_one_clear_sentence(
    aura: Aura, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    folder = write_files(tmp_path / "bert", bert_folder({"pooling_mode": "mean"}))
    result = aura("models", "convert", str(folder), *arguments, code=code)
    assert message in result.stderr
    assert "\n" not in result.stderr.strip()


def test_a_gguf_tells_what_it_is_and_costs(aura: Aura, tmp_path: Path) -> None:
    data = gguf({**GOOD_KEYS, **SHAPE})
    write_files(tmp_path, {"model.gguf": data})
    said = aura.json("models", "inspect", str(tmp_path / "model.gguf"))
    assert (said["kind"], said["usable"], said["reason"]) == ("GGUF", True, None)
    assert said["memory_bytes"] == len(data) + 4096 * 12_288 + 200_000_000
    assert said["facts"] == {
        "architecture": "qwen2",
        "parameters": 128,
        "quantisation": "F32",
        "context_tokens": 4096,
        "template": "chatml",
        "rolls_back": True,
        "cache_bytes_per_token": 12_288,
    }
    assert not aura.home.exists()


@pytest.mark.parametrize(
    ("template", "family"),
    [
        ("<|start_header_id|>user<|end_header_id|>", "llama3"),
        ("<|user|>hello<|end|><|assistant|>", "phi"),
        ("<|im_start|>user<|im_sep|>hello<|im_end|>", "phi"),
        ("<|start_of_role|>user<|end_of_role|>", "granite"),
        ("<start_of_turn>user", "gemma"),
        ("[INST] hello [/INST]", "mistral"),
        ("### User:", "other"),
        ("", "none"),
    ],
)
def test_the_family_of_a_template_is_told_and_only_chatml_is_taken(
    aura: Aura, tmp_path: Path, template: str, family: str
) -> None:
    write_files(tmp_path, {"model.gguf": gguf({**GOOD_KEYS, "tokenizer.chat_template": template})})
    said = aura.json("models", "inspect", str(tmp_path), code=1)
    assert said["facts"]["template"] == family
    assert said["facts"]["rolls_back"] is True
    assert "chat template" in said["reason"]
    assert "chat template" in aura("models", "import", str(tmp_path), code=1).stderr


def test_what_cannot_be_rolled_back_is_described_and_not_imported(aura: Aura, tmp_path: Path) -> None:
    write_files(tmp_path, {"model.gguf": gguf({**GOOD_KEYS, "general.architecture": "granitehybrid"})})
    text = aura("models", "inspect", str(tmp_path), code=1).stdout
    assert "recurrent state" in " ".join(text.split())
    refusal = aura("models", "import", str(tmp_path), code=1).stderr
    assert "recurrent state, so its prompt cache cannot be rolled back" in refusal


@pytest.mark.parametrize(
    ("folder", "kind", "fact"),
    [
        ("models/whisper-synthetic-tiny", "CTranslate2", ("mel_bands", 80)),
        ("voices/piper-synthetic", "Piper", ("sample_rate_hz", 22_050)),
    ],
)
def test_other_kinds_are_summed_up(aura: Aura, folder: str, kind: str, fact: tuple[str, int]) -> None:
    root, _, name = folder.partition("/")
    path = data_folder("models" if root == "models" else "voices") / name
    said = aura.json("models", "inspect", str(path))
    assert (said["kind"], said["usable"]) == (kind, True)
    assert said["facts"][fact[0]] == fact[1]


def test_a_folder_of_transformers_is_sent_to_the_converter(aura: Aura, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "whisper", whisper_folder())
    said = aura.json("models", "inspect", str(folder), code=1)
    assert (said["kind"], said["memory_bytes"]) == ("transformers", None)
    assert "aura models convert" in said["reason"]
    assert "aura models convert" in aura("models", "import", str(folder), code=1).stderr


def test_a_damaged_model_is_told_in_one_line(aura: Aura, tmp_path: Path) -> None:
    write_files(tmp_path, {"model.gguf": gguf()[:-1]})
    said = json.loads(aura("models", "inspect", str(tmp_path), "--json", code=1).stdout)
    assert said["error"]["code"] == "model_damaged"
