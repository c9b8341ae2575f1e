"""From the text of a document to passages with vectors. Layer 2.

Identical texts are embedded once: a passage of one sentence below no heading is that sentence, and rows of
tables and footers repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import anyio.from_thread
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from aura_local.ports import Caller, Embedder
from aura_local.retrieval.document_progress import IndexingProgress
from aura_local.retrieval.parsing import ParsedDocument
from aura_local.retrieval.passages import Passage, cut_passages
from aura_local.retrieval.stored_passages import IndexedVersion

PASSAGES_AT_ONCE: Final = 64
"""Passages handed to the embedder together, with their sentences. The more, the better texts of like length
share its batches; progress is told after each."""

Report: TypeAlias = Callable[[IndexingProgress], None]


async def index_text(
    embedder: Embedder,
    parsed: ParsedDocument,
    *,
    caller: Caller,
    report: Report,
    limit_sentences: int | None = None,
) -> IndexedVersion:
    """Cut a document into passages and embed them and their sentences.

    Raises `PayloadTooLarge` for more sentences, and `LaneBusy` and `EngineUnavailable` from the embedder.
    """
    pages = parsed.page_count or None
    report(IndexingProgress("embedding", pages))
    passages = await anyio.to_thread.run_sync(_cut, embedder, parsed, limit_sentences)
    report(IndexingProgress("embedding", pages, 0, len(passages)))
    passage_vectors: list[NDArray[np.float32]] = []
    sentence_vectors: list[NDArray[np.float32]] = []
    for start in range(0, len(passages), PASSAGES_AT_ONCE):
        group = passages[start : start + PASSAGES_AT_ONCE]
        texts = [f"{passage.heading}\n{passage.text}".strip() for passage in group]
        texts += [sentence for passage in group for sentence in passage.sentences]
        vectors = await _embed_once_each(embedder, texts, caller)
        passage_vectors.append(vectors[: len(group)])
        sentence_vectors.append(vectors[len(group) :])
        report(IndexingProgress("embedding", pages, start + len(group), len(passages)))
    return IndexedVersion(parsed, passages, np.concatenate(passage_vectors), np.concatenate(sentence_vectors))


def _cut(embedder: Embedder, parsed: ParsedDocument, limit_sentences: int | None) -> Sequence[Passage]:
    def count_tokens(text: str) -> int:
        anyio.from_thread.check_cancelled()  # a large document takes a while
        return embedder.count_tokens(text)

    return cut_passages(
        parsed.blocks,
        count_tokens,
        window_tokens=embedder.window_tokens,
        limit_sentences=limit_sentences,
    )


async def _embed_once_each(embedder: Embedder, texts: Sequence[str], caller: Caller) -> NDArray[np.float32]:
    """Shape (len(texts), dimensions), in order."""
    row_of = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    vectors = await embedder.embed(list(row_of), caller=caller)
    return vectors[[row_of[text] for text in texts]]
