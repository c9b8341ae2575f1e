"""Nearest passages by comparing with every vector in the tenant's database.

Slower than an index (about 8 ms for 20,000 vectors once they are read), never wrong: it answers while
there is no usable index, and it is what the index is tested against.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import sqlite_utils
from numpy.typing import NDArray

from aura_local.storage.database import Database

_ROWS_AT_ONCE = 4_096
PUBLIC_PASSAGES: Final = "document_id IN (SELECT id FROM documents WHERE audience = 'public')"
"""Condition on `passages`: those of documents that visitors may find."""


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
    database: Database, vector: NDArray[np.float32], limit: int, *, public_only: bool = False
) -> list[Match]:
    """The `limit` passages most similar to `vector` (shape (dimensions,), L2-normalised), best first.

    Vectors of other dimensions, left by another embedder, are passed over. `public_only`: among the
    passages of documents for everybody.
    """
    among = f" AND {PUBLIC_PASSAGES}" if public_only else ""

    def search(connection: sqlite_utils.Database) -> list[Match]:
        best: list[Match] = []
        query = f"SELECT id, vector FROM passages WHERE length(vector) = ?{among}"  # noqa: S608 - our own
        cursor = connection.execute(query, [vector.size * 4])
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            matrix = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(len(rows), vector.size)
            similarities = matrix @ vector
            nearest = np.argsort(-similarities, kind="stable")[:limit]
            best += [Match(int(rows[n][0]), float(similarities[n])) for n in nearest]
        return sorted(best, key=lambda match: -match.similarity)[:limit]

    return await database.read(search)
