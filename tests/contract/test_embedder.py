"""Every embedder that ships keeps the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aura_local.adapters import minilm_embedder, scripted, sentence_embedder
from aura_local.ports import Embedder

from .embedder_contract import EmbedderContract
from .models import MINILM, context, folder_context


def _random_sentence_model(folder: Path) -> Path:
    """A tiny model with random weights in the layout of sentence-transformers."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertConfig, BertModel, BertTokenizerFast  # type: ignore[import-not-found,unused-ignore]

    torch.manual_seed(7)
    bert = folder / "bert"
    bert.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (bert / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    BertTokenizerFast(vocab_file=str(bert / "vocab.txt"), model_max_length=64).save_pretrained(bert)
    shape = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(shape).save_pretrained(bert)
    words = models.Transformer(str(bert), max_seq_length=64)
    whole = SentenceTransformer(modules=[words, models.Pooling(32)], device="cpu")
    whole.save(str(folder / "model"))
    return folder / "model"


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
