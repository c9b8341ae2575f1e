"""The passages of a document as the tenant's file keeps them. Layer 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sqlite_utils
from numpy.typing import NDArray

from aura_local.retrieval.documents import DocumentRecord, advance, document_row, passage_ids_of
from aura_local.retrieval.exact_search import vector_bytes
from aura_local.retrieval.labels import access_class
from aura_local.retrieval.parsing import ParsedDocument
from aura_local.retrieval.passages import Passage


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage as it is found and cited."""

    id: int
    ordinal: int
    """Position in the document, from 0."""
    text: str
    heading: str
    page: int | None
    start_character: int
    end_character: int
    """Slice of the document's extracted text that is `text`."""
    tokens: int | None
    """By the embedder's tokenizer; None where an earlier version of the program cut it."""


@dataclass(frozen=True, slots=True)
class IndexedVersion:
    """Everything that a version of a document became, to be written in one transaction."""

    parsed: ParsedDocument
    passages: Sequence[Passage]
    passage_vectors: NDArray[np.float32]
    """Shape (len(passages), dimensions), L2-normalised."""
    sentence_vectors: NDArray[np.float32]
    """Of all sentences of all passages, in order."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """What the vector index has to be told after the transaction."""

    removed: list[int]
    added: list[int]
    access_class: int


def store_version(
    connection: sqlite_utils.Database, record: DocumentRecord, version: IndexedVersion
) -> Replacement | None:
    """Put the passages of a version in the place of the earlier one's.

    None, and nothing is written, when it was deleted, cancelled or replaced meanwhile, or indexed already.
    """
    if not advance(connection, record, "indexed", version.parsed.warning or None):
        return None
    removed = passage_ids_of(connection, record.id)
    connection.execute("DELETE FROM passages WHERE document_id = ?", [record.id])
    first_sentence = 0
    for passage, vector in zip(version.passages, version.passage_vectors, strict=True):
        passage_id = _store_passage(connection, record.id, passage, vector)
        vectors = version.sentence_vectors[first_sentence : first_sentence + len(passage.sentences)]
        first_sentence += len(passage.sentences)
        connection.conn.executemany(
            "INSERT INTO passage_sentences (passage_id, ordinal, text, vector) VALUES (?, ?, ?, ?)",
            [
                (passage_id, ordinal, sentence, vector_bytes(vectors[ordinal]))
                for ordinal, sentence in enumerate(passage.sentences)
            ],
        )
    connection.execute(
        "UPDATE documents SET media_type = ?, page_count = ?, passage_count = ?, indexed_sha256 = ?"
        " WHERE id = ?",
        [
            version.parsed.media_type,
            version.parsed.page_count or None,
            len(version.passages),
            record.sha256,
            record.id,
        ],
    )
    now = document_row(connection, record.id)  # its labels may have been changed while it was read
    return Replacement(
        removed, passage_ids_of(connection, record.id), access_class(now.audience, now.sensitivity)
    )


def _store_passage(
    connection: sqlite_utils.Database, document_id: str, passage: Passage, vector: NDArray[np.float32]
) -> int | None:
    cursor = connection.execute(
        "INSERT INTO passages (document_id, ordinal, text, heading, page, start_character, end_character,"
        " tokens, vector) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            document_id,
            passage.ordinal,
            passage.text,
            passage.heading,
            passage.page,
            passage.start_character,
            passage.end_character,
            passage.tokens,
            vector_bytes(vector),
        ],
    )
    passage_id: int | None = cursor.lastrowid
    return passage_id


def stored_passages(
    connection: sqlite_utils.Database, document_id: str, after: int, limit: int
) -> tuple[StoredPassage, ...]:
    """Up to `limit` passages behind the one with the ordinal `after`, in order. Raises `NotFound`."""
    document_row(connection, document_id)
    rows = connection.execute(
        "SELECT id, ordinal, text, coalesce(heading, ''), page, start_character, end_character, tokens"
        " FROM passages WHERE document_id = ? AND ordinal > ? ORDER BY ordinal LIMIT ?",
        [document_id, after, limit],
    ).fetchall()
    return tuple(StoredPassage(*row) for row in rows)


def stored_passage(
    connection: sqlite_utils.Database, document_id: str, passage_id: int
) -> StoredPassage | None:
    """A passage of this document; None for any other."""
    row = connection.execute(
        "SELECT id, ordinal, text, coalesce(heading, ''), page, start_character, end_character, tokens"
        " FROM passages WHERE document_id = ? AND id = ?",
        [document_id, passage_id],
    ).fetchone()
    return None if row is None else StoredPassage(*row)
