"""Open tenants: opened once, lent to many, closed when others need the room. Layer 1.

An open tenant costs three file descriptors, with its vector index about fourteen and several threads, so
only `capacity` stay open; one that is lent is never closed under its borrower.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.to_thread

from aura_local.errors import AuraError, StorageDamaged, StorageUnavailable
from aura_local.storage.blobs import DISK_RESERVE_BYTES, BlobStore
from aura_local.storage.catalog import Catalog
from aura_local.storage.database import Database
from aura_local.storage.schema import TENANT_MIGRATIONS

STORAGE_THREADS = 4
"""Worker threads that all open tenants use together."""

log = logging.getLogger(__name__)


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


@dataclass(eq=False, slots=True)
class _Slot:
    """The place of one tenant: how often it is lent, and its handle once open."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    """Held while opening or closing."""
    leases: int = 0
    handle: TenantHandle | None = None


class TenantLeases:
    """Lends tenant handles. Two leases of a tenant at once share one handle."""

    def __init__(
        self,
        *,
        home: Path,
        catalog: Catalog,
        open_index: Callable[[TenantHandle], Awaitable[ClosableIndex]],
        capacity: int = 64,
        index_idle_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        reserve_bytes: int = DISK_RESERVE_BYTES,
    ) -> None:
        """At most `capacity` tenants stay open, more only while more are lent at once."""
        self._home = home
        self._catalog = catalog
        self._open_index = open_index
        self._capacity = capacity
        self._index_idle_s = index_idle_s
        self._clock = clock
        self._reserve_bytes = reserve_bytes
        self._limiter = anyio.CapacityLimiter(STORAGE_THREADS)
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        """Least recently used first."""
        self._closed = False

    def lease(self, tenant_id: str) -> AbstractAsyncContextManager[TenantHandle]:
        """Borrow a tenant for one operation or turn; its index can only be closed between leases.

        Raises NotFound, StorageDamaged, StorageFull and KeyUnavailable on entry, and StorageUnavailable
        after `close`. Cancelled while it opens, nothing stays borrowed.
        """
        return self._lease(tenant_id)

    async def close_idle(self) -> None:
        """Close the indexes that nobody has used for `index_idle_s`; the engine calls this periodically."""
        for slot in list(self._slots.values()):
            async with slot.lock:
                if slot.leases == 0 and slot.handle is not None:
                    await slot.handle.close_idle_index(self._index_idle_s)

    async def close(self) -> None:
        """Close all tenants, lent ones included, and lend no more. Idempotent."""
        self._closed = True
        for tenant_id, slot in list(self._slots.items()):
            await self._close_slot(tenant_id, slot, even_if_lent=True)

    @asynccontextmanager
    async def _lease(self, tenant_id: str) -> AsyncIterator[TenantHandle]:
        slot = self._slots.setdefault(tenant_id, _Slot())
        self._slots.move_to_end(tenant_id)
        slot.leases += 1
        try:
            yield await self._handle(tenant_id, slot)
        finally:
            slot.leases -= 1
            if slot.handle is not None:
                slot.handle.used()
            elif slot.leases == 0:
                self._forget(tenant_id, slot)
            with anyio.CancelScope(shield=True):
                await self._make_room(self._capacity)

    async def _handle(self, tenant_id: str, slot: _Slot) -> TenantHandle:
        async with slot.lock:
            if self._closed:
                raise StorageUnavailable("The data folder has been closed.")
            if slot.handle is None:
                await self._make_room(self._capacity - 1)
                slot.handle = await self._open(tenant_id)
            return slot.handle

    async def _open(self, tenant_id: str) -> TenantHandle:
        tenant = await self._catalog.tenant(tenant_id)
        key = await self._catalog.tenant_key(tenant_id)
        folder = self._home / "tenants" / tenant.id
        path = folder / "tenant.sqlite"
        blobs = BlobStore(folder / "blobs", key, reserve_bytes=self._reserve_bytes, limiter=self._limiter)
        if await anyio.to_thread.run_sync(_is_lost, path, limiter=self._limiter):
            raise StorageDamaged(f"{path} is missing, although its blobs are there: restore a backup.")
        await blobs.remove_abandoned()
        database = await Database.open(path, key, TENANT_MIGRATIONS, limiter=self._limiter)
        return TenantHandle(
            id=tenant.id,
            name=tenant.name,
            folder=folder,
            database=database,
            blobs=blobs,
            open_index=self._open_index,
            clock=self._clock,
        )

    async def _make_room(self, most_open: int) -> None:
        while True:
            opened = [(tenant_id, slot) for tenant_id, slot in self._slots.items() if slot.handle is not None]
            idle = [(tenant_id, slot) for tenant_id, slot in opened if slot.leases == 0]
            if len(opened) <= most_open or not idle:
                return
            await self._close_slot(*idle[0])

    async def _close_slot(self, tenant_id: str, slot: _Slot, *, even_if_lent: bool = False) -> None:
        async with slot.lock:
            if slot.handle is not None and (slot.leases == 0 or even_if_lent):
                handle, slot.handle = slot.handle, None
                try:
                    await handle.close()
                except AuraError as error:
                    # The borrower who happens to make room is not the one this concerns.
                    log.warning("tenant %s did not close cleanly: %s", tenant_id, error.code)
        if slot.leases == 0:
            self._forget(tenant_id, slot)

    def _forget(self, tenant_id: str, slot: _Slot) -> None:
        if slot.handle is None and self._slots.get(tenant_id) is slot:
            del self._slots[tenant_id]


def _is_lost(path: Path) -> bool:
    blobs = path.parent / "blobs"
    return not path.exists() and blobs.is_dir() and any(blobs.iterdir())
