"""Open tenants: opened once, lent to many, closed when others need the room. Layer 1.

An open tenant costs three file descriptors, with its vector index about fourteen and several threads, so
only `capacity` stay open; one that is lent is never closed under its borrower.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import anyio
import anyio.to_thread

from aura_local.errors import (
    AuraError,
    Busy,
    KeyUnavailable,
    StorageDamaged,
    StorageUnavailable,
    TenantSuspended,
)
from aura_local.storage.blobs import DISK_RESERVE_BYTES, BlobStore
from aura_local.storage.catalog import Catalog, Tenant
from aura_local.storage.database import Database
from aura_local.storage.tenant_files import (
    BLOB_FOLDER,
    TENANT_DATABASE,
    finish_replacement,
    tenant_folder,
)
from aura_local.storage.tenant_handle import ClosableIndex
from aura_local.storage.tenant_handle import TenantHandle as TenantHandle
from aura_local.storage.tenant_tables import TENANT_MIGRATIONS

STORAGE_THREADS = 4
"""Worker threads that all open tenants use together."""

EVICTION_DEADLINE_S = 30.0
"""How long to wait for the borrowers of a tenant: longer than a turn takes."""

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Slot:
    """The place of one tenant: how often it is lent, and its handle once open."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    """Held while opening or closing."""
    leases: int = 0
    handle: TenantHandle | None = None
    evicted: bool = False
    """Nobody may lease it: its files are being replaced or erased."""
    returned: anyio.Event = field(default_factory=anyio.Event)
    """Set when the last lease ends."""


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
        self._quarantined: dict[str, str] = {}
        self._closed = False

    @property
    def home(self) -> Path:
        """The data folder."""
        return self._home

    @property
    def quarantined(self) -> Mapping[str, str]:
        """Tenants whose file does not open, by id, with what was said about it. The others go on."""
        return MappingProxyType(self._quarantined)

    def folder(self, tenant_id: str) -> Path:
        """Where the tenant's files are."""
        return tenant_folder(self._home, tenant_id)

    def blob_store(self, folder: Path, key: bytes) -> BlobStore:
        """The blobs of a tenant's folder, or of one being prepared."""
        return BlobStore(folder / BLOB_FOLDER, key, reserve_bytes=self._reserve_bytes, limiter=self._limiter)

    def lease(
        self, tenant_id: str, *, even_suspended: bool = False
    ) -> AbstractAsyncContextManager[TenantHandle]:
        """Borrow a tenant for one operation or turn; its index can only be closed between leases.

        Raises on entry: NotFound; TenantSuspended unless `even_suspended` (for export and backup); Busy
        while it is evicted; StorageDamaged, which puts it in quarantine; StorageFull; KeyUnavailable; and
        StorageUnavailable after `close`. Cancelled while it opens, nothing stays borrowed.
        """
        return self._lease(tenant_id, even_suspended)

    @asynccontextmanager
    async def evict(self, tenant_id: str, *, within_s: float = EVICTION_DEADLINE_S) -> AsyncIterator[None]:
        """Have the tenant closed and lent to nobody inside the block, so that its files can be replaced.

        Leases asked for meanwhile are refused. Raises Busy when it is still lent after `within_s`, or
        evicted already; then nothing has changed.
        """
        slot = self._slots.setdefault(tenant_id, _Slot())
        if slot.evicted:
            raise _evicted()
        slot.evicted = True
        try:
            try:
                with anyio.fail_after(within_s):
                    while slot.leases > 0:
                        slot.returned = anyio.Event()
                        await slot.returned.wait()
            except TimeoutError as error:
                raise Busy("The tenant is in use: try again, or suspend it first.") from error
            await self._close_slot(tenant_id, slot)
            yield
        finally:
            slot.evicted = False
            self._forget(tenant_id, slot)

    def end_quarantine(self, tenant_id: str) -> None:
        """Try the tenant's file again, after it has been replaced."""
        self._quarantined.pop(tenant_id, None)

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
    async def _lease(self, tenant_id: str, even_suspended: bool) -> AsyncIterator[TenantHandle]:
        # Asked every time: another process may have suspended it a moment ago.
        tenant = await self._catalog.tenant(tenant_id)
        if tenant.status == "suspended" and not even_suspended:
            raise TenantSuspended("This organisation has been suspended by the operator of this server.")
        slot = self._slots.setdefault(tenant_id, _Slot())
        if slot.evicted:
            raise _evicted()
        self._slots.move_to_end(tenant_id)
        slot.leases += 1
        try:
            handle = await self._handle(tenant, slot)
            handle.name = tenant.name
            yield handle
        finally:
            slot.leases -= 1
            if slot.leases == 0:
                slot.returned.set()
            if slot.handle is not None:
                slot.handle.used()
            elif slot.leases == 0:
                self._forget(tenant_id, slot)
            with anyio.CancelScope(shield=True):
                await self._make_room(self._capacity)

    async def _handle(self, tenant: Tenant, slot: _Slot) -> TenantHandle:
        async with slot.lock:
            if self._closed:
                raise StorageUnavailable("The data folder has been closed.")
            if slot.handle is None:
                await self._make_room(self._capacity - 1)
                slot.handle = await self._open(tenant)
            return slot.handle

    async def _open(self, tenant: Tenant) -> TenantHandle:
        if tenant.id in self._quarantined:
            raise StorageDamaged(self._quarantined[tenant.id])
        key = await self._catalog.tenant_key(tenant.id)
        folder = self.folder(tenant.id)
        blobs = self.blob_store(folder, key)
        try:
            await anyio.to_thread.run_sync(_prepare, folder, key, limiter=self._limiter)
            await blobs.remove_abandoned()
            database = await Database.open(
                folder / TENANT_DATABASE, key, TENANT_MIGRATIONS, limiter=self._limiter
            )
        except (StorageDamaged, KeyUnavailable) as error:
            # The platform's file has vouched for the key, so a file that it does not open is damaged.
            message = (
                f"The file of tenant {tenant.id} is damaged; the other tenants are not concerned. Restore "
                f"this tenant from a backup. ({error.message})"
            )
            self._quarantined[tenant.id] = message
            log.error("tenant %s is in quarantine: %s", tenant.id, error.code)
            raise StorageDamaged(message) from error
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
        if slot.handle is None and not slot.evicted and self._slots.get(tenant_id) is slot:
            del self._slots[tenant_id]


def _prepare(folder: Path, key: bytes) -> None:
    """What comes before opening: an unfinished replacement of the files, and whether the files are there."""
    finish_replacement(folder, key)
    blobs = folder / BLOB_FOLDER
    if not (folder / TENANT_DATABASE).exists() and blobs.is_dir() and any(blobs.iterdir()):
        raise StorageDamaged("The database is missing, although its blobs are there.")


def _evicted() -> Busy:
    return Busy("The tenant's data is being replaced or erased: try again in a moment.")
