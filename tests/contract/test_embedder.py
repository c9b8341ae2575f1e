"""Every embedder that ships keeps the contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aura_local.adapters import minilm_embedder, scripted, sentence_embedder
from aura_local.ports import Embedder

from .embedder_contract import EmbedderContract
from .models import MINILM, context, folder_context

MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]


def _random_sentence_model(folder: Path) -> Path:
    """A tiny model with random weights, in the files that published sentence-transformers models have.

    They are written here because the package's classes for building a model have moved within its version 5.
    """
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast  # type: ignore[import-not-found,unused-ignore]

    torch.manual_seed(7)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(pieces), encoding="utf-8")
    BertTokenizerFast(vocab_file=str(vocabulary), model_max_length=64).save_pretrained(folder)
    shape = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(shape).save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    for name, content in {
        "modules.json": MODULES,
        "sentence_bert_config.json": {"max_seq_length": 64, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True},
    }.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("scripted", id="scripted"),
        pytest.param("minilm", id="minilm", marks=pytest.mark.engines),
        pytest.param("sentence", id="sentence-transformers", marks=pytest.mark.torch),
    ],
)
def open_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Embedder]:
    if request.param == "scripted":
        return scripted.ScriptedEmbedder
    if request.param == "minilm":
        return lambda: minilm_embedder.open_adapter(folder_context(MINILM))
    folder = _random_sentence_model(tmp_path_factory.mktemp("sentence"))
    return lambda: sentence_embedder.open_adapter(context("random", folder=str(folder)))


class TestEmbedder(EmbedderContract):
    pass
