"""MiniLM: meaning, padding, and the window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_local.adapters.minilm_embedder import (
    QUANTUM_TOKENS,
    WINDOW_TOKENS,
    MiniLmEmbedder,
    _batches,
    open_adapter,
)
from aura_local.adapters.registry import AdapterContext
from aura_local.errors import ModelDamaged
from aura_local.ports import Caller, Priority
from tests.contract.models import CALLER, MINILM, context, folder_context

pytestmark = [pytest.mark.engines, pytest.mark.anyio]


@pytest.fixture
def embedder() -> Iterator[MiniLmEmbedder]:
    engine = open_adapter(folder_context(MINILM))
    yield engine
    anyio.run(engine.close)


async def test_like_meanings_are_near(embedder: MiniLmEmbedder) -> None:
    texts = ["when do you open", "what are your opening hours", "the toilet is broken"]
    vectors = await embedder.embed(texts, caller=CALLER)
    assert float(vectors[0] @ vectors[1]) > 0.6
    assert float(vectors[0] @ vectors[2]) < 0.3


async def test_padding_is_not_averaged(embedder: MiniLmEmbedder) -> None:
    alone = await embedder.embed(["yes"], caller=CALLER)
    beside = await embedder.embed(["yes", "the museum " * 100], caller=CALLER)
    assert float(alone[0] @ beside[0]) > 0.995


async def test_what_is_beyond_the_window_is_not_seen(embedder: MiniLmEmbedder) -> None:
    within = "museum " * 300
    vectors = await embedder.embed([within, within + "completely different ending"], caller=CALLER)
    assert float(vectors[0] @ vectors[1]) == pytest.approx(1.0, abs=1e-4)
    longer = "opening hours " * 100 + "the last word is about cake " * 5
    shorter = "opening hours " * 100
    # 200 tokens against 230: both lie inside 256, though beyond the 128 of the tokenizer's own file.
    inside = await embedder.embed([shorter, longer], caller=CALLER)
    assert float(inside[0] @ inside[1]) < 0.999


def test_counting_is_exact(embedder: MiniLmEmbedder) -> None:
    assert embedder.count_tokens("") == 2
    assert embedder.count_tokens("museum") == 3
    assert embedder.count_tokens("museum " * 1_000) == 1_002


async def test_no_vector_is_empty(embedder: MiniLmEmbedder) -> None:
    vectors = await embedder.embed(["", " ", "\u0000", "\U0001f600"], caller=CALLER)
    assert np.isfinite(vectors).all()


async def test_in_the_background_on_two_cores_the_vectors_are_the_same(embedder: MiniLmEmbedder) -> None:
    texts = ["the museum is open " * (number % 60) + f"case {number}" for number in range(150)]
    vectors = await embedder.embed(texts, caller=Caller("museum", Priority.BACKGROUND))
    alone = np.concatenate([await embedder.embed([text], caller=CALLER) for text in texts[::10]])
    np.testing.assert_allclose(vectors[::10], alone, atol=1e-5)
    np.testing.assert_allclose(await embedder.embed(texts[:40], caller=CALLER), vectors[:40], atol=1e-5)


def described(text: str, folder: Path) -> AdapterContext:
    """MiniLM with an `embedding.json`."""
    (folder / "embedding.json").write_text(text)
    files = dict(folder_context(MINILM).files) | {"embedding.json": folder / "embedding.json"}
    return context("described", files)


async def test_vectors_are_made_as_the_model_says(embedder: MiniLmEmbedder, tmp_path: Path) -> None:
    other = open_adapter(described('{"pooling": "cls", "window_tokens": 8, "dimensions": 384}', tmp_path))
    text = "the museum is open from nine to five"
    cut = "the museum is open from nine"  # eight tokens with the first and the last
    first = await other.embed([text, cut], caller=CALLER)
    mean = await embedder.embed([text, cut], caller=CALLER)
    await other.close()
    assert other.window_tokens == 8
    assert float(first[0] @ first[1]) == pytest.approx(1.0, abs=1e-4)
    assert float(mean[0] @ mean[1]) < 0.999
    assert float(first[1] @ mean[1]) < 0.9


@pytest.mark.parametrize("text", ["[]", "{", '{"colour": "red"}'])
async def test_a_damaged_description_is_an_error_of_ours(text: str, tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="cannot be loaded"):
        open_adapter(described(text, tmp_path))


@pytest.mark.parametrize("priority", list(Priority))
async def test_of_no_texts_there_are_no_vectors(embedder: MiniLmEmbedder, priority: Priority) -> None:
    assert (await embedder.embed([], caller=Caller("museum", priority))).shape == (0, 384)


@given(st.lists(st.integers(2, WINDOW_TOKENS), max_size=200))
def test_a_quantum_is_short_and_every_text_is_in_one(lengths: list[int]) -> None:
    batches = _batches(lengths)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) * max(lengths[row] for row in batch) <= QUANTUM_TOKENS
