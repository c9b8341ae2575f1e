"""Finds the passages that a question is about, and says whether they can answer it at all.

Two searches that fail differently, meaning (vectors) and words (BM25), propose passages; both are limited
to what the asker may see while they search. Ranking, and the similarity of each sentence to the question,
from vectors stored when the document was indexed, then tell what to read out of them. Layer 2.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import sqlite_utils

from aura_local.ports import Caller, Embedder
from aura_local.retrieval.candidates import WordMatch, read_candidates, search_words
from aura_local.retrieval.excerpts import Excerpt, excerpts
from aura_local.retrieval.labels import Audience, Sensitivity, readable_classes
from aura_local.retrieval.ranking import DEFAULT_WEIGHTS, RankingWeights, ranked
from aura_local.retrieval.relevance import RELEVANCE_THRESHOLD, relevance
from aura_local.retrieval.stop_words import content_words

if TYPE_CHECKING:
    from aura_local.storage.leases import TenantHandle

CANDIDATES: Final = 40
"""Passages each search proposes."""


@dataclass(frozen=True, slots=True)
class RetrievedSentence:
    """A sentence of a passage."""

    text: str
    similarity: float
    """Cosine similarity to the question, in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class RetrievedPassage:
    """What was found for a question, with what a citation needs."""

    passage_id: int
    document_id: str
    document_name: str
    sensitivity: Sensitivity
    """Of its document: `confidential` text never leaves the machine."""
    heading: str
    page: int | None
    text: str
    tokens: int
    """Of `text`, by the embedder's tokenizer, special ones included."""
    sentences: tuple[RetrievedSentence, ...]
    """In the order of the text."""
    score: float
    """Fused score; comparable inside one retrieval only."""
    similarity: float
    """Cosine similarity of the stored passage (with heading) and the question, in [-1, 1]."""
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
    """What `answerable` is judged by."""
    embed_ms: float
    search_ms: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """Why a passage is where it is in a ranking."""

    passage: RetrievedPassage
    rank: int
    """From 1."""
    fused: float
    vector_rank: int | None
    """From 1; None where the search by meaning did not find it."""
    similarity: float
    best_sentence_similarity: float
    word_rank: int | None
    """From 1; None where the search by words did not find it."""
    word_score: float | None
    """BM25; the larger, the better."""


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What would be retrieved for a question, and why."""

    candidates: tuple[Candidate, ...]
    """Best first."""
    relevance: float
    threshold: float
    """What `relevance` must reach for the documents to count as an answer."""
    answerable: bool
    embed_ms: float
    search_ms: float


class Retriever:
    """Searches the documents of any tenant."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        weights: RankingWeights = DEFAULT_WEIGHTS,
        relevance_threshold: float = RELEVANCE_THRESHOLD,
    ) -> None:
        self._embedder = embedder
        self._weights = weights
        self._relevance_threshold = relevance_threshold

    async def retrieve(
        self,
        handle: TenantHandle,
        question: str,
        *,
        caller: Caller,
        limit: int = 4,
        budget_tokens: int | None = None,
        audience: Audience = "admins",
        most_sensitive: Sensitivity = "confidential",
    ) -> Retrieval:
        """The `limit` best passages; fewer, but the first always, where they would exceed `budget_tokens`.

        Documents that somebody of this `audience` may not find, or that are more sensitive than
        `most_sensitive`, count as not there: for the passages as for whether they answer the question.
        Raises `LaneBusy` and `EngineUnavailable` from the embedder.
        """
        report = await self.explain(
            handle,
            question,
            caller=caller,
            limit=limit,
            budget_tokens=budget_tokens,
            audience=audience,
            most_sensitive=most_sensitive,
        )
        return Retrieval(
            tuple(candidate.passage for candidate in report.candidates),
            answerable=report.answerable,
            relevance=report.relevance,
            embed_ms=report.embed_ms,
            search_ms=report.search_ms,
        )

    async def explain(
        self,
        handle: TenantHandle,
        question: str,
        *,
        caller: Caller,
        limit: int = 10,
        budget_tokens: int | None = None,
        audience: Audience = "admins",
        most_sensitive: Sensitivity = "confidential",
    ) -> SearchReport:
        """As `retrieve`, with the reasons."""
        begun_s = time.perf_counter()
        if not question.strip():
            return SearchReport((), -1.0, self._relevance_threshold, False, 0.0, 0.0)
        classes = readable_classes(audience, most_sensitive)
        words = content_words(question)
        by_words: list[WordMatch] = []

        def look_up(connection: sqlite_utils.Database) -> list[WordMatch]:
            return search_words(connection, words, classes, CANDIDATES)

        async def find_words() -> None:
            by_words.extend(await handle.database.read(look_up))

        try:
            # The search by words needs no vector: it runs while the question is embedded.
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(find_words)
                vector = (await self._embedder.embed([question], caller=caller))[0]
                embedded_s = time.perf_counter()
                index = await handle.index()
                near = await index.query(vector, CANDIDATES, classes)
        except ExceptionGroup as failures:
            # The first one has ended the other.
            raise failures.exceptions[0] from failures.exceptions[0].__cause__

        def search(connection: sqlite_utils.Database) -> tuple[list[Excerpt], float]:
            stored = read_candidates(connection, near, by_words, vector, classes)
            in_order = ranked(stored, self._weights)
            return excerpts(in_order, limit, budget_tokens), relevance(connection, words, in_order, classes)

        found, reached = await handle.database.read(search)
        return SearchReport(
            tuple(self._candidate(one, rank) for rank, one in enumerate(found, start=1)),
            relevance=reached,
            threshold=self._relevance_threshold,
            answerable=bool(found) and reached >= self._relevance_threshold,
            embed_ms=(embedded_s - begun_s) * 1000,
            search_ms=(time.perf_counter() - embedded_s) * 1000,
        )

    def _candidate(self, excerpt: Excerpt, rank: int) -> Candidate:
        best, first, text = excerpt.best.passage, excerpt.parts[0], excerpt.text
        passage = RetrievedPassage(
            passage_id=best.passage_id,
            document_id=best.document_id,
            document_name=best.document_name,
            sensitivity=best.sensitivity,
            heading=best.heading,
            page=best.page,
            text=text,
            tokens=best.tokens if len(excerpt.parts) == 1 else self._embedder.count_tokens(text),
            sentences=tuple(
                RetrievedSentence(sentence.text, sentence.similarity)
                for part in excerpt.parts
                for sentence in part.sentences
            ),
            score=excerpt.best.fused,
            similarity=best.similarity,
            start_character=first.start_character,
            end_character=excerpt.parts[-1].end_character,
        )
        return Candidate(
            passage=passage,
            rank=rank,
            fused=excerpt.best.fused,
            vector_rank=None if best.vector_rank is None else best.vector_rank + 1,
            similarity=best.similarity,
            best_sentence_similarity=best.best_sentence_similarity,
            word_rank=None if best.word_rank is None else best.word_rank + 1,
            word_score=best.word_score,
        )
