"""Nearest passages by comparing with every vector in the tenant's database.

Much slower than an index, as all vectors are read and decrypted (0.3 s for 20,000), and never wrong: it
answers while there is no usable index, and it is what the index is tested against.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import sqlite_utils
from numpy.typing import NDArray

from aura_local.retrieval.labels import EVERYTHING, AccessClasses
from aura_local.storage.database import Database

_ROWS_AT_ONCE: Final = 4_096


@dataclass(frozen=True, slots=True)
class Match:
    """A passage near a question."""

    passage_id: int
    similarity: float
    """Cosine similarity in [-1, 1]."""


def vector_bytes(vector: NDArray[np.float32]) -> bytes:
    """A vector as the database keeps it: float32, little-endian."""
    return vector.astype("<f4").tobytes()


def vector_from(stored: bytes) -> NDArray[np.float32]:
    """Inverse of `vector_bytes`; shape (dimensions,)."""
    return np.frombuffer(stored, "<f4").astype(np.float32, copy=False)


async def exact_search(
    database: Database,
    vector: NDArray[np.float32],
    limit: int,
    classes: AccessClasses = EVERYTHING,
    *,
    newer_than: int = 0,
) -> list[Match]:
    """The `limit` passages most similar to `vector` (shape (dimensions,), L2-normalised), best first.

    Only among documents of these access classes. Vectors of other dimensions, left by another embedder,
    are passed over. `newer_than`: only passages with a larger id.
    """
    among, chosen = class_condition(classes)

    def search(connection: sqlite_utils.Database) -> list[Match]:
        best: list[Match] = []
        query = f"SELECT id, vector FROM passages WHERE id > ? AND length(vector) = ? AND {among}"  # noqa: S608 - our own
        cursor = connection.execute(query, [newer_than, vector.size * 4, *chosen])
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            matrix = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(len(rows), vector.size)
            similarities = matrix @ vector
            nearest = np.argsort(-similarities, kind="stable")[:limit]
            best += [Match(int(rows[n][0]), float(similarities[n])) for n in nearest]
        return sorted(best, key=lambda match: -match.similarity)[:limit]

    return await database.read(search)


def class_condition(classes: AccessClasses) -> tuple[str, list[int]]:
    """A condition on `passages`, and its values: those of documents of these access classes."""
    if classes >= EVERYTHING:
        return "TRUE", []
    marks = ",".join("?" * len(classes))
    return f"document_id IN (SELECT id FROM documents WHERE access_class IN ({marks}))", sorted(classes)  # noqa: S608
