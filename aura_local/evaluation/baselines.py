"""What most chat tools do, for comparison: chunks of 1,000 characters, found in one way. Layer 4."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from aura_local.errors import AuraError
from aura_local.evaluation.hits import Found, Place
from aura_local.retrieval.parsing import parse_document
from aura_local.retrieval.passages import document_text
from aura_local.retrieval.stop_words import content_words, full_text_query

if TYPE_CHECKING:
    from aura_local.ports import Caller, Embedder
    from aura_local.retrieval.readers.block import Block

CHUNK_CHARACTERS: Final = 1000
OVERLAP_CHARACTERS: Final = 100


async def chunks_of(documents: Mapping[str, bytes], embedder: Embedder) -> list[Found]:
    """The chunks of all documents that can be read, by path; the others have none."""
    chunks: list[Found] = []
    for document, data in documents.items():
        try:
            parsed = await parse_document(data, PurePath(document).name)
        except AuraError:
            continue
        places = cut_chunks(document, parsed.blocks)
        chunks += [Found(place, embedder.count_tokens(place.text)) for place in places]
    return chunks


def cut_chunks(document: str, blocks: Sequence[Block]) -> Iterator[Place]:
    """Blocks of characters, wherever sentences end; each lies on all the pages that its text comes from."""
    text = document_text(blocks)
    spans: list[tuple[int, int, int]] = []
    position = 0
    for block in blocks:
        spans.append((position, position + len(block.text), block.page))
        position += len(block.text) + 1
    step = CHUNK_CHARACTERS - OVERLAP_CHARACTERS
    for start in range(0, max(len(text) - OVERLAP_CHARACTERS, 1), step):
        end = min(start + CHUNK_CHARACTERS, len(text))
        pages = [page for first, last, page in spans if page and first < end and last > start]
        yield Place(document, text[start:end], (min(pages), max(pages)) if pages else None)


class ChunkSearch:
    """Both baselines over the same chunks."""

    def __init__(self, chunks: Sequence[Found], vectors: NDArray[np.float32]) -> None:
        """`vectors` has shape (chunks, dimensions), L2-normalised."""
        self.chunks = tuple(chunks)
        self._vectors = vectors
        self._words = sqlite3.connect(":memory:")
        self._words.execute("CREATE VIRTUAL TABLE chunks USING fts5(text, tokenize='porter unicode61')")
        rows = [(number, chunk.place.text) for number, chunk in enumerate(self.chunks)]
        self._words.executemany("INSERT INTO chunks(rowid, text) VALUES (?, ?)", rows)

    @classmethod
    async def build(cls, chunks: Sequence[Found], embedder: Embedder, caller: Caller) -> ChunkSearch:
        """Embeds every chunk."""
        if not chunks:
            return cls((), np.zeros((0, embedder.dimensions), dtype=np.float32))
        return cls(chunks, await embedder.embed([chunk.place.text for chunk in chunks], caller=caller))

    def by_vectors(self, vector: NDArray[np.float32], limit: int) -> list[Found]:
        """The nearest by exact search."""
        nearest = np.argsort(-(self._vectors @ vector), kind="stable")[:limit]
        return [self.chunks[number] for number in nearest]

    def by_words(self, question: str, limit: int) -> list[Found]:
        """By BM25, asked for the same words as the product's own search."""
        words = content_words(question)
        if not words:
            return []
        rows = self._words.execute(
            "SELECT rowid FROM chunks WHERE chunks MATCH ? ORDER BY bm25(chunks) LIMIT ?",
            (full_text_query(words), limit),
        )
        return [self.chunks[number] for (number,) in rows]

    def close(self) -> None:
        self._words.close()
