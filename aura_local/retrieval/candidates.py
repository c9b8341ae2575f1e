"""Reads everything that ranking needs about the passages that either search proposes. Layer 2.

One consistent state of the database, a handful of statements: with an encrypted file each one costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import sqlite_utils
from numpy.typing import NDArray

from aura_local.retrieval.exact_search import Match, vector_from
from aura_local.retrieval.labels import EVERYTHING, AccessClasses, Sensitivity
from aura_local.retrieval.stop_words import full_text_query

HEADING_WEIGHT: Final = 0.8
"""What a word in the headings above a passage counts against one in its text, for BM25."""
COMMON_PASSAGES: Final = 1_000
COMMON_SHARE: Final = 20
"""A word is common that more than 1,000 passages and one in 20 hold."""
CHARACTERS_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class StoredSentence:
    """A sentence (or list item, or table row) of a stored passage."""

    text: str
    similarity: float
    """Cosine similarity to the question, in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage as it is stored, with what both searches say about it."""

    passage_id: int
    document_id: str
    document_name: str
    sensitivity: Sensitivity
    ordinal: int
    heading: str
    page: int | None
    text: str
    start_character: int
    end_character: int
    tokens: int
    """About, for a passage that was stored before tokens were counted."""
    sentences: tuple[StoredSentence, ...]
    similarity: float
    """Cosine similarity of passage with heading to the question, in [-1, 1]."""
    vector_rank: int | None
    """Position in the search by meaning, from 0; None where that did not find it."""
    word_rank: int | None
    word_score: float | None
    """BM25; the larger, the better."""

    @property
    def best_sentence_similarity(self) -> float:
        return max((sentence.similarity for sentence in self.sentences), default=-1.0)


@dataclass(frozen=True, slots=True)
class WordMatch:
    """A passage that holds words of the question."""

    passage_id: int
    score: float
    """BM25; the larger, the better."""


def search_words(
    connection: sqlite_utils.Database, words: Sequence[str], classes: AccessClasses, limit: int
) -> list[WordMatch]:
    """The `limit` best passages by words, best first."""
    if not words or not classes:
        return []
    words = _telling(connection, words)
    among, chosen = _among(classes)
    query = (
        "SELECT rowid, rank FROM passages_fts"  # noqa: S608 - our own
        f" WHERE passages_fts MATCH ? AND rank MATCH 'bm25(1.0, {HEADING_WEIGHT})' AND {among}"
        " ORDER BY rank LIMIT ?"
    )
    rows = connection.execute(query, [full_text_query(words), *chosen, limit]).fetchall()
    return [WordMatch(int(row[0]), -float(row[1])) for row in rows]


def read_candidates(
    connection: sqlite_utils.Database,
    near: Sequence[Match],
    by_words: Sequence[WordMatch],
    question: NDArray[np.float32],
    classes: AccessClasses,
) -> list[StoredPassage]:
    """The passages that the two searches propose, in no particular order.

    What the database does not hold, or not for these classes, is left out, whatever an index says.
    """
    vector_ranks = {match.passage_id: rank for rank, match in enumerate(near)}
    word_ranks = {match.passage_id: (rank, match.score) for rank, match in enumerate(by_words)}
    ids = list(dict.fromkeys([*vector_ranks, *word_ranks]))
    if not ids:
        return []
    sentences = _sentences(connection, ids, question)
    rows = connection.execute(
        "SELECT p.id, p.document_id, d.name, d.sensitivity, p.ordinal, p.heading, p.page, p.text,"  # noqa: S608
        " p.start_character, p.end_character, p.tokens, p.vector"
        " FROM passages p JOIN documents d ON d.id = p.document_id"
        f" WHERE p.id IN ({_marks(ids)}) AND d.access_class IN ({_marks(classes)})",
        [*ids, *sorted(classes)],
    ).fetchall()
    found: list[StoredPassage] = []
    for row in rows:
        word_rank, word_score = word_ranks.get(row[0], (None, None))
        found.append(
            StoredPassage(
                passage_id=row[0],
                document_id=row[1],
                document_name=row[2],
                sensitivity=row[3],
                ordinal=row[4],
                heading=row[5] or "",
                page=row[6],
                text=row[7],
                start_character=row[8],
                end_character=row[9],
                tokens=row[10] or len(row[7]) // CHARACTERS_PER_TOKEN,
                sentences=tuple(sentences.get(row[0], ())),
                similarity=_cosine(question, vector_from(row[11])),
                vector_rank=vector_ranks.get(row[0]),
                word_rank=word_rank,
                word_score=word_score,
            )
        )
    return found


def passages_holding(connection: sqlite_utils.Database, word: str, passage_ids: Sequence[int]) -> set[int]:
    """Those of the passages that hold a word, in any form with the same stem: FTS5 itself is asked."""
    query = f"SELECT rowid FROM passages_fts WHERE passages_fts MATCH ? AND rowid IN ({_marks(passage_ids)})"  # noqa: S608
    rows = connection.execute(query, [full_text_query([word]), *passage_ids]).fetchall()
    return {int(row[0]) for row in rows}


def word_occurs(connection: sqlite_utils.Database, word: str, classes: AccessClasses) -> bool:
    """Whether any document of these classes holds a word."""
    among, chosen = _among(classes)
    query = f"SELECT 1 FROM passages_fts WHERE passages_fts MATCH ? AND {among} LIMIT 1"  # noqa: S608
    return connection.execute(query, [full_text_query([word]), *chosen]).fetchone() is not None


def _telling(connection: sqlite_utils.Database, words: Sequence[str]) -> Sequence[str]:
    """The words without those that a large part of many passages holds; all, where all are such.

    They say little, but BM25 has to look at each of those passages: of 22,000 that is 16 ms for a long
    question, far more than counting up to the limit costs.
    """
    (total,) = connection.execute("SELECT coalesce(sum(passage_count), 0) FROM documents").fetchone()
    if total <= COMMON_PASSAGES:
        return words
    limit = max(COMMON_PASSAGES, total // COMMON_SHARE)
    query = "SELECT 1 FROM passages_fts WHERE passages_fts MATCH ? LIMIT 1 OFFSET ?"
    telling = [
        word for word in words if not connection.execute(query, [full_text_query([word]), limit]).fetchone()
    ]
    return telling or words


def _among(classes: AccessClasses) -> tuple[str, list[int]]:
    """A condition on `passages_fts`, and its values: the passages of documents of these classes."""
    if classes >= EVERYTHING:
        return "TRUE", []
    condition = (
        "EXISTS (SELECT 1 FROM passages p INDEXED BY passages_with_document"  # noqa: S608
        " JOIN documents d ON d.id = p.document_id"
        f" WHERE p.id = passages_fts.rowid AND d.access_class IN ({_marks(classes)}))"
    )
    return condition, sorted(classes)


def _sentences(
    connection: sqlite_utils.Database, ids: Sequence[int], question: NDArray[np.float32]
) -> dict[int, list[StoredSentence]]:
    """Texts and similarities of the passages' sentences, in order."""
    rows = connection.execute(
        "SELECT passage_id, text, vector FROM passage_sentences"  # noqa: S608 - our own
        f" WHERE passage_id IN ({_marks(ids)}) ORDER BY passage_id, ordinal",
        list(ids),
    ).fetchall()
    sentences: dict[int, list[StoredSentence]] = {}
    for passage_id, text, stored in rows:
        sentences.setdefault(passage_id, []).append(
            StoredSentence(text, _cosine(question, vector_from(stored)))
        )
    return sentences


def _cosine(question: NDArray[np.float32], vector: NDArray[np.float32]) -> float:
    """0.0 for a vector of other dimensions, which another embedder has made."""
    return float(vector @ question) if vector.shape == question.shape else 0.0


def _marks(values: Iterable[object]) -> str:
    return ",".join("?" for _ in values)
