"""Reads the vectors of passages from the tenant's database, which is the truth about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sqlite_utils
from numpy.typing import NDArray

from aura_local.storage.database import Database


async def newest_id(database: Database) -> int:
    """Ids only ever grow, so a larger one means passages that an index has not seen."""
    return await database.read(
        lambda connection: int(connection.execute("SELECT coalesce(max(id), 0) FROM passages").fetchone()[0])
    )


async def stored_classes(database: Database) -> dict[int, int]:
    """Access classes by id, ids ascending, of the passages with vectors as long as the newest passage's."""

    def read(connection: sqlite_utils.Database) -> dict[int, int]:
        rows = connection.execute(
            "SELECT passages.id, documents.access_class"
            " FROM passages JOIN documents ON documents.id = passages.document_id"
            " WHERE length(vector) = (SELECT length(vector) FROM passages ORDER BY id DESC LIMIT 1)"
            " ORDER BY passages.id"
        ).fetchall()
        return {int(row[0]): int(row[1]) for row in rows}

    return await database.read(read)


async def stored_vectors(
    database: Database, passage_ids: Sequence[int]
) -> tuple[list[int], NDArray[np.float32]]:
    def read(connection: sqlite_utils.Database) -> list[tuple[int, bytes]]:
        marks = ",".join("?" * len(passage_ids))
        query = f"SELECT id, vector FROM passages WHERE id IN ({marks}) ORDER BY id"  # noqa: S608 - marks
        return [(int(row[0]), row[1]) for row in connection.execute(query, list(passage_ids)).fetchall()]

    rows = await database.read(read)
    joined = np.frombuffer(b"".join(row[1] for row in rows), "<f4").astype(np.float32)
    return [row[0] for row in rows], joined.reshape(len(rows), -1) if rows else joined.reshape(0, 0)
