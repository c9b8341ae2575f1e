"""An embedder for CTranslate2 is taken when its small files fit its weights, and not otherwise."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from aura_local.catalogue.recognition import recognise
from aura_local.errors import AuraError, ModelDamaged, UnsupportedMedia
from tests.catalogue.damaged_models import WHISPER, ctranslate2, variable
from tests.catalogue.made_models import write_files

MADE = {"pooling": "cls", "window_tokens": 64, "dimensions": 2}


def weights(**shapes: tuple[int, ...]) -> bytes:
    """A BERT's `model.bin` with the variables that are looked at, all zeros."""
    named = {"embeddings_0/weight": (2389, 2), "position_encodings/encodings": (64, 2)} | {
        name.replace("__", "/"): shape for name, shape in shapes.items()
    }
    parts = []
    for name, shape in named.items():
        length = math.prod(shape) * 4
        parts.append(variable(f"encoder/{name}", shape, length=length) + bytes(length))
    return ctranslate2(*parts, kind="TransformerEncoderSpec")


def folder(made: Any = MADE, **changed: bytes) -> dict[str, bytes]:
    return {
        "model.bin": weights(),
        "config.json": b"{}",
        "tokenizer.json": WHISPER["tokenizer.json"],
        "vocabulary.json": WHISPER["vocabulary.json"],
        "embedding.json": json.dumps(made).encode(),
    } | {f"{name.rpartition('_')[0]}.{name.rpartition('_')[2]}": data for name, data in changed.items()}


def test_an_embedder_is_recognised(tmp_path: Path) -> None:
    found = recognise(write_files(tmp_path, folder()))
    assert (found.job, found.engine, found.more["context_tokens"]) == ("embedder", "minilm", 64)
    assert set(found.files) == set(folder())


FAULTS: dict[str, tuple[dict[str, bytes], type[AuraError], str]] = {
    "nothing about its vectors": (
        {name: data for name, data in folder().items() if name != "embedding.json"},
        UnsupportedMedia,
        r"embedding\.json says how its vectors are made",
    ),
    "a window beyond its places": (folder(MADE | {"window_tokens": 65}), ModelDamaged, "does not fit"),
    "other dimensions": (folder(MADE | {"dimensions": 384}), ModelDamaged, "does not fit"),
    "another pooling": (folder(MADE | {"pooling": "max"}), ModelDamaged, "does not fit"),
    "an unknown field": (folder(MADE | {"prefix": "x"}), ModelDamaged, "does not fit"),
    "no object": (folder([]), ModelDamaged, "no JSON object"),
    "fewer weights than tokens": (
        folder(model_bin=weights(embeddings_0__weight=(100, 2))),
        ModelDamaged,
        "has weights for 100",
    ),
    "no weights": (folder(model_bin=weights(embeddings_0__weight=(4,))), ModelDamaged, "lacks the weights"),
    "no configuration": (folder(config_json=b"]"), ModelDamaged, r"config\.json is damaged"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    files, kind, words = FAULTS[name]
    with pytest.raises(kind, match=words):
        recognise(write_files(tmp_path, files))
