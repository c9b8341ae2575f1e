"""Removes the bytes that no document of a tenant names any more. Layer 2.

The database notes what a document lets go of in the transaction in which it does (`released_blobs`), so that
a file whose removal was cut short is removed at the next start.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import sqlite_utils

from aura_local.errors import NotFound, StorageFull

if TYPE_CHECKING:
    from aura_local.storage.leases import TenantHandle


class BlobReferences:
    """Keeps the bytes of deleted documents and earlier versions until nobody can need them.

    A blob is written before its row: while an upload of a tenant is on its way, nothing is removed, because
    it might be the very bytes that the upload is about to refer to.
    """

    def __init__(self) -> None:
        self._arriving: Counter[str] = Counter()

    @asynccontextmanager
    async def arriving(self, handle: TenantHandle) -> AsyncIterator[None]:
        """An upload of the tenant is on its way inside the block."""
        self._arriving[handle.id] += 1
        try:
            yield
        finally:
            self._arriving[handle.id] -= 1
            await self.remove_released(handle)

    async def remove_released(self, handle: TenantHandle) -> None:
        """Remove what documents have let go of and no row names, now or once nothing is on its way."""
        with anyio.CancelScope(shield=True):
            for sha256 in await handle.database.read(_released):
                if self._arriving[handle.id]:
                    return
                await self._remove(handle, sha256)

    async def tidy(self, handle: TenantHandle) -> None:
        """Remove what killed processes have left; for each start of the program."""
        await self.remove_released(handle)
        # Bytes whose row never came: old ones only, another process may be about to write the row.
        for sha256 in await handle.blobs.settled() - await handle.database.read(_referenced):
            if not self._arriving[handle.id]:
                await self._remove(handle, sha256)

    async def _remove(self, handle: TenantHandle, sha256: str) -> None:
        if not await handle.database.read(partial(_is_referenced, sha256)):
            with contextlib.suppress(NotFound):
                await handle.blobs.delete(sha256)
        with contextlib.suppress(StorageFull):  # then it is looked at again
            await handle.database.write(partial(_forget, sha256))


def _released(connection: sqlite_utils.Database) -> list[str]:
    return [row[0] for row in connection.execute("SELECT sha256 FROM released_blobs").fetchall()]


def _forget(sha256: str, connection: sqlite_utils.Database) -> None:
    connection.execute("DELETE FROM released_blobs WHERE sha256 = ?", [sha256])


def _referenced(connection: sqlite_utils.Database) -> frozenset[str]:
    query = "SELECT sha256 FROM documents UNION SELECT indexed_sha256 FROM documents"
    return frozenset(row[0] for row in connection.execute(query).fetchall())


def _is_referenced(sha256: str, connection: sqlite_utils.Database) -> bool:
    query = "SELECT 1 FROM documents WHERE sha256 = ? OR indexed_sha256 = ?"
    return connection.execute(query, [sha256, sha256]).fetchone() is not None
