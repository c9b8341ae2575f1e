"""An open tenant: its database, its blobs, and its index once somebody asks for it. Layer 1."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import anyio

from aura_local.errors import StorageUnavailable
from aura_local.storage.blobs import BlobStore
from aura_local.storage.database import Database


class ClosableIndex(Protocol):
    """A vector index, as far as storage cares."""

    async def close(self) -> None:
        """Release its files and threads."""


class TenantHandle:
    """Everything that belongs to one tenant. Valid inside the lease it came from."""

    def __init__(
        self,
        *,
        id: str,
        name: str,
        folder: Path,
        database: Database,
        blobs: BlobStore,
        open_index: Callable[[TenantHandle], Awaitable[ClosableIndex]],
        clock: Callable[[], float],
    ) -> None:
        self.id = id
        self.name = name
        self.folder = folder
        self.database = database
        self.blobs = blobs
        self._open_index = open_index
        self._clock = clock
        self._index: ClosableIndex | None = None
        self._index_lock = anyio.Lock()
        self._last_used_s = clock()
        self._closed = False

    def __repr__(self) -> str:
        return f"TenantHandle(id={self.id!r})"

    async def index(self) -> Any:
        """The vector index, opened by the first caller; it stays open at least as long as the lease.

        Raises what the factory raises; the next call tries again.
        """
        async with self._index_lock:
            if self._closed:
                raise StorageUnavailable("This tenant's lease has ended.")
            if self._index is None:
                self._index = await self._open_index(self)
            return self._index

    def used(self) -> None:
        """Start counting idle time anew."""
        self._last_used_s = self._clock()

    async def close_idle_index(self, idle_s: float) -> None:
        """Close the index, and release memory, after `idle_s` without a lease."""
        async with self._index_lock:
            if self._index is not None and self._clock() - self._last_used_s >= idle_s:
                await self._close_index()
                await self.database.release_memory()

    async def close(self) -> None:
        """Close the index, then the database, also if the index fails to close or the caller is cancelled."""
        with anyio.CancelScope(shield=True):
            async with self._index_lock:
                self._closed = True
                try:
                    await self._close_index()
                finally:
                    await self.database.close()

    async def _close_index(self) -> None:
        index, self._index = self._index, None
        if index is not None:
            await index.close()
