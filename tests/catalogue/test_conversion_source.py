"""A folder of transformers is looked through before torch or transformers are loaded, and cut down."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aura_local.catalogue.conversion_source import read_source
from aura_local.catalogue.conversion_workplace import workplace
from aura_local.errors import AuraError, InvalidRequest, ModelDamaged, UnsupportedMedia
from tests.catalogue.made_models import write_files
from tests.catalogue.transformers_folders import MODULES, bert_folder, safetensors, whisper_folder

MEAN = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}


def without(files: Mapping[str, bytes], *names: str, **more: bytes) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name not in names} | more


def test_only_known_fields_reach_transformers(tmp_path: Path) -> None:
    files = whisper_folder(suppress_tokens=[1], activation_function="gelu", torch_dtype="float16")
    generation = {
        "suppress_tokens": [1, 2],
        "_attn_implementation": "hub/kernel",
        "lang_to_id": {"<|en|>": 3},
    }
    files["generation_config.json"] = json.dumps(generation).encode()
    source = read_source(write_files(tmp_path, files))
    assert source.kind == "whisper"
    assert set(source.configuration) & {"auto_map", "torch_dtype"} == set()
    assert source.configuration["suppress_tokens"] == [1]
    assert source.generation == {"suppress_tokens": [1, 2], "lang_to_id": {"<|en|>": 3}}
    assert (source.preprocessor["feature_size"], source.preprocessor["chunk_length"]) == (80, 30)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (MEAN, "mean"),
        ({"pooling_mode_cls_token": True, "word_embedding_dimension": 32}, "cls"),
        ({"pooling_mode": "mean", "embedding_dimension": 32}, "mean"),
    ],
)
def test_an_embedder_says_how_its_vectors_are_made(
    tmp_path: Path, pooling: dict[str, Any], expected: str
) -> None:
    files = bert_folder(pooling) | {"sentence_bert_config.json": b'{"max_seq_length": 48}'}
    made = read_source(write_files(tmp_path, files)).embedding
    assert made == {"pooling": expected, "window_tokens": 48, "dimensions": 32}


def sharded() -> dict[str, bytes]:
    return without(whisper_folder(), "model.safetensors") | {"model.safetensors.index.json": b"{}"}


def pickled() -> dict[str, bytes]:
    return without(whisper_folder(), "model.safetensors") | {"pytorch_model.bin": b"\x80\x02}."}


REFUSED: dict[str, tuple[dict[str, bytes], type[AuraError], str]] = {
    "pickle": (pickled(), UnsupportedMedia, "Python pickle, which runs code"),
    "shards": (sharded(), UnsupportedMedia, "several files"),
    "nothing": ({"a": b""}, UnsupportedMedia, r"model\.safetensors is missing"),
    "no tokenizer": (without(whisper_folder(), "tokenizer.json"), ModelDamaged, r"tokenizer\.json: copy it"),
    "another kind": (whisper_folder(model_type="llama"), UnsupportedMedia, "neither a Whisper nor a BERT"),
    "no size": (whisper_folder(d_model=None), ModelDamaged, "d_model cannot be so"),
    "a huge size": (whisper_folder(vocab_size=10**12), ModelDamaged, "vocab_size cannot be so"),
    "many layers": (whisper_folder(encoder_layers=10**5), ModelDamaged, "the layers cannot be so"),
    "too many tokens": (whisper_folder(vocab_size=100), ModelDamaged, "belongs to another"),
    "relative places": (
        bert_folder(MEAN, position_embedding_type="relative_key"),
        UnsupportedMedia,
        "in a way that CTranslate2",
    ),
    "no modules": (without(bert_folder(MEAN), "modules.json"), UnsupportedMedia, r"without modules\.json"),
    "a dense step": (
        bert_folder(MEAN)
        | {"modules.json": json.dumps([*MODULES, {"path": "2_Dense", "type": "a.Dense"}]).encode()},
        UnsupportedMedia,
        "steps after its pooling",
    ),
    "prefixes": (
        bert_folder(MEAN)
        | {"config_sentence_transformers.json": b'{"prompts": {"query": "query: ", "document": ""}}'},
        UnsupportedMedia,
        "wants words before",
    ),
    "by maximum": (bert_folder({"pooling_mode_max_tokens": True}), UnsupportedMedia, "pools otherwise"),
    "two poolings": (
        bert_folder({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}),
        UnsupportedMedia,
        "pools otherwise",
    ),
    "other dimensions": (bert_folder(MEAN | {"word_embedding_dimension": 9}), ModelDamaged, "do not agree"),
    "a window too long": (
        bert_folder(MEAN) | {"sentence_bert_config.json": b'{"max_seq_length": 65}'},
        ModelDamaged,
        "a window that the model does not",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_converted_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    files, kind, words = REFUSED[name]
    with pytest.raises(kind, match=words):
        read_source(write_files(tmp_path, files))


WEIGHTS = {
    "cut": safetensors()[:-1],
    "longer": safetensors() + b"x",
    "a table of 2^60 bytes": struct.pack("<Q", 2**60) + safetensors()[8:],
    "a table that is none": safetensors().replace(b'{"weight"', b'["weight"'),
    "a gap": safetensors(data_offsets=[4, 20]),
    "another length": safetensors(data_offsets=[0, 12]),
    "an unknown type": safetensors(dtype="PICKLE"),
    "a shape that overflows": safetensors(shape=(4,), data_offsets=[0, 2**63]),
    "a negative shape": safetensors(data_offsets=[-16, 0]),
    "empty": b"",
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_damaged_weights_are_refused(tmp_path: Path, name: str) -> None:
    files = whisper_folder() | {"model.safetensors": WEIGHTS[name]}
    with pytest.raises(ModelDamaged, match=r"model\.safetensors is not a whole safetensors file"):
        read_source(write_files(tmp_path, files))


def test_links_and_no_folder_are_refused(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "model", without(whisper_folder(), "model.safetensors"))
    write_files(tmp_path, {"elsewhere": safetensors()})
    (folder / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelDamaged, match="symbolic link"):
        read_source(folder)
    with pytest.raises(InvalidRequest, match="is no folder"):
        read_source(tmp_path / "elsewhere")


def test_a_workplace_goes_away_and_takes_forgotten_ones_along(tmp_path: Path) -> None:
    forgotten = write_files(tmp_path / "models" / ".converting-old", {".lock": b"", "work/x": b"1"})
    with workplace(tmp_path / "models") as busy, workplace(tmp_path / "models") as other:
        assert not forgotten.exists()
        assert busy.is_dir()  # another process at work is left alone
        assert not list(other.iterdir())
    assert not list((tmp_path / "models").iterdir())
