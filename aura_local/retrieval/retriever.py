"""Finds the passages that a question is about, and says whether they can answer it at all.

Two searches that fail differently, meaning (vectors) and words (BM25), are fused by reciprocal rank.
Similarity of each sentence to the question, from vectors stored when the document was indexed, then
tells what to quote and whether there is anything worth saying.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
import sqlite_utils
from numpy.typing import NDArray

from aura_local.ports import Caller, Embedder
from aura_local.retrieval.exact_search import PUBLIC_PASSAGES, Match, exact_search, vector_from
from aura_local.retrieval.stop_words import content_words, full_text_query

if TYPE_CHECKING:
    from aura_local.storage.leases import TenantHandle

_CANDIDATES: Final = 24
"""Passages each search contributes before fusion."""
_PUBLIC_LIMITS: Final = (4 * _CANDIDATES, 40 * _CANDIDATES)
"""How many passages the index is asked for, one after the other, when only public ones count."""

SearchedAudience: TypeAlias = Literal["all", "public"]


@dataclass(frozen=True, slots=True)
class RetrievedSentence:
    """A sentence of a passage."""

    text: str
    similarity: float
    """Cosine similarity to the question, in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class RetrievedPassage:
    """A passage found for a question, with what a citation needs."""

    passage_id: int
    document_id: str
    document_name: str
    heading: str
    page: int | None
    text: str
    sentences: tuple[RetrievedSentence, ...]
    """In the order of the text."""
    score: float
    """Reciprocal-rank score; comparable inside one retrieval only."""
    similarity: float
    """Cosine similarity of passage (with heading) and question, in [-1, 1]."""
    start_character: int
    end_character: int


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a tenant's documents hold on a question."""

    passages: tuple[RetrievedPassage, ...]
    """Best first; may hold passages although none answers the question."""
    answerable: bool
    """Whether they are near enough to the question to answer it."""
    relevance: float
    """What `answerable` is judged by: the best similarity, less a part for every word not found."""
    embed_ms: float
    search_ms: float


class Retriever:
    """Searches the documents of any tenant."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        relevance_threshold: float = 0.49,
        missing_words_weight: float = 0.2,
        rank_constant: int = 20,
        word_weight: float = 0.5,
    ) -> None:
        """Tuned on the museum's questions (`tests/retrieval/test_museum_retrieval.py`).

        `relevance_threshold`: what similarity of the best sentence or passage, less `missing_words_weight`
        times the share of the question's words that no retrieved passage holds, must reach.
        `rank_constant`: the larger, the less the first ranks stand out. `word_weight`: how much a rank by
        words counts against one by meaning.
        """
        self._embedder = embedder
        self._relevance_threshold = relevance_threshold
        self._missing_words_weight = missing_words_weight
        self._rank_constant = rank_constant
        self._word_weight = word_weight

    async def retrieve(
        self,
        handle: TenantHandle,
        question: str,
        *,
        caller: Caller,
        limit: int = 4,
        audience: SearchedAudience = "all",
    ) -> Retrieval:
        """The `limit` best passages. Raises `LaneBusy` and `EngineUnavailable` from the embedder.

        With audience `public`, as for a visitor, documents that are not public count as not there: for the
        passages as for whether they answer the question.
        """
        begun_s = time.perf_counter()
        if not question.strip():
            return Retrieval((), answerable=False, relevance=-1.0, embed_ms=0.0, search_ms=0.0)
        vector = (await self._embedder.embed([question], caller=caller))[0]
        embedded_s = time.perf_counter()
        public_only = audience == "public"
        near = await (_nearest_public if public_only else _nearest)(handle, vector)
        words = content_words(question)
        passages, missing_share = await handle.database.read(
            lambda connection: self._search(connection, words, vector, near, limit, public_only)
        )
        relevance = _best_similarity(passages) - self._missing_words_weight * missing_share
        return Retrieval(
            passages,
            answerable=bool(passages) and relevance >= self._relevance_threshold,
            relevance=relevance,
            embed_ms=(embedded_s - begun_s) * 1000,
            search_ms=(time.perf_counter() - embedded_s) * 1000,
        )

    def _search(
        self,
        connection: sqlite_utils.Database,
        words: Sequence[str],
        vector: NDArray[np.float32],
        near: Sequence[Match],
        limit: int,
        public_only: bool,
    ) -> tuple[tuple[RetrievedPassage, ...], float]:
        """The best passages by both searches, and the share of `words` that none of them holds."""
        scores: dict[int, float] = {}
        for rank, match in enumerate(near):
            scores[match.passage_id] = 1.0 / (self._rank_constant + rank)
        for rank, passage_id in enumerate(_by_words(connection, words, public_only)):
            gain = self._word_weight / (self._rank_constant + rank)
            scores[passage_id] = scores.get(passage_id, 0.0) + gain
        # An index may still hold passages that have been deleted, or that are public no more; `_load` leaves
        # them out.
        ranked = sorted(scores, key=lambda passage_id: (-scores[passage_id], passage_id))
        found: list[RetrievedPassage] = []
        for passage_id in ranked:
            if len(found) == limit:
                break
            passage = _load(connection, passage_id, scores[passage_id], vector, public_only)
            if passage is not None:
                found.append(passage)
        return tuple(found), _missing_share(connection, words, found)


def _best_similarity(passages: Sequence[RetrievedPassage]) -> float:
    similarities = [passage.similarity for passage in passages]
    similarities += [sentence.similarity for passage in passages for sentence in passage.sentences]
    return max(similarities, default=-1.0)


async def _nearest(
    handle: TenantHandle, vector: NDArray[np.float32], limit: int = _CANDIDATES
) -> list[Match]:
    index = await handle.index()
    near: list[Match] = await index.query(vector, limit)
    return near


async def _nearest_public(handle: TenantHandle, vector: NDArray[np.float32]) -> list[Match]:
    """The nearest passages of public documents, however many others lie nearer.

    Where many documents are public the index has enough of them among its nearest. Where few are, comparing
    with every public one is cheap, and misses none.
    """
    for limit in _PUBLIC_LIMITS:
        near = await _nearest(handle, vector, limit)
        public = await handle.database.read(partial(_public_among, passages=near))
        found = [match for match in near if match.passage_id in public][:_CANDIDATES]
        if len(found) == _CANDIDATES:
            return found
        if len(near) < limit:
            break
    return await exact_search(handle.database, vector, _CANDIDATES, public_only=True)


def _public_among(connection: sqlite_utils.Database, passages: Sequence[Match]) -> set[int]:
    marks = ",".join("?" * len(passages))
    ids = [match.passage_id for match in passages]
    query = f"SELECT id FROM passages WHERE id IN ({marks}) AND {PUBLIC_PASSAGES}"  # noqa: S608 - our own
    return {int(row[0]) for row in connection.execute(query, ids).fetchall()}


def _by_words(connection: sqlite_utils.Database, words: Sequence[str], public_only: bool) -> list[int]:
    if not words:
        return []
    among = f"rowid IN (SELECT id FROM passages WHERE {PUBLIC_PASSAGES})"  # noqa: S608 - our own
    query = (
        "SELECT rowid FROM passages_fts WHERE passages_fts MATCH ?"  # noqa: S608 - our own
        f" AND {among if public_only else 'TRUE'} ORDER BY bm25(passages_fts) LIMIT ?"
    )
    rows = connection.execute(query, [full_text_query(words), _CANDIDATES]).fetchall()
    return [int(row[0]) for row in rows]


def _missing_share(
    connection: sqlite_utils.Database, words: Sequence[str], passages: Sequence[RetrievedPassage]
) -> float:
    """Asked of FTS5 itself, so that a word counts as found in any form with the same stem."""
    if not words or not passages:
        return 0.0
    marks = ",".join("?" * len(passages))
    query = f"SELECT 1 FROM passages_fts WHERE passages_fts MATCH ? AND rowid IN ({marks}) LIMIT 1"  # noqa: S608
    ids = [passage.passage_id for passage in passages]
    found = [connection.execute(query, [full_text_query([word]), *ids]).fetchone() for word in words]
    return found.count(None) / len(words)


def _load(
    connection: sqlite_utils.Database,
    passage_id: int,
    score: float,
    question: NDArray[np.float32],
    public_only: bool,
) -> RetrievedPassage | None:
    """None for a passage that is not there, or not for this audience."""
    row: Any = connection.execute(
        "SELECT p.document_id, d.name, p.heading, p.page, p.text, p.vector,"
        " p.start_character, p.end_character"
        " FROM passages p JOIN documents d ON d.id = p.document_id"
        " WHERE p.id = ? AND (d.audience = 'public' OR NOT ?)",
        [passage_id, public_only],
    ).fetchone()
    if row is None:
        return None
    sentences = connection.execute(
        "SELECT text, vector FROM passage_sentences WHERE passage_id = ? ORDER BY ordinal", [passage_id]
    ).fetchall()
    return RetrievedPassage(
        passage_id=passage_id,
        document_id=row[0],
        document_name=row[1],
        heading=row[2] or "",
        page=row[3],
        text=row[4],
        sentences=tuple(RetrievedSentence(text, _cosine(question, stored)) for text, stored in sentences),
        score=score,
        similarity=_cosine(question, row[5]),
        start_character=row[6],
        end_character=row[7],
    )


def _cosine(question: NDArray[np.float32], stored: bytes) -> float:
    """0.0 for a vector of other dimensions, which another embedder has made."""
    vector = vector_from(stored)
    return float(vector @ question) if vector.shape == question.shape else 0.0
