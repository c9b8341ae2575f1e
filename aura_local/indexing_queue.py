"""Indexes accepted documents in the background, a few at a time. Layer 4.

The record is in the tenants' files: a document that is accepted and not finished is found there at the
next start, so this queue may forget, and the process may be killed, without losing one. Two documents are in
work at once: while the text of one is embedded, the next one is parsed. Tenants take turns: nobody's second
document begins while another tenant without one in work waits. Large documents take minutes, so a third
worker stands by for tenants who find both at work for others.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

import anyio

from aura_local.errors import AuraError, LaneBusy, NotFound
from aura_local.fair_queue import FairQueue
from aura_local.metrics import Metrics
from aura_local.ports import Caller, Priority
from aura_local.retrieval.ingestion import Ingestion
from aura_local.storage.catalog import Catalog
from aura_local.storage.leases import TenantLeases

log = logging.getLogger(__name__)

WORKERS: Final = 2
STANDBY_WORKERS: Final = 1
"""Take a document only for a tenant that has none in work."""
WAITING_LIMIT: Final = 10_000
"""Documents that wait here; of tenants with more, the rest is looked up once these are done."""
RETRIES: Final = 5
RETRY_AFTER_S: Final = 2.0
"""Before the first retry; doubled each time."""
BROKEN: Final = "Something inside the program stopped the reading of this document; its log says what."


class IndexingQueue:
    """One per engine; `run` owns its tasks."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        leases: TenantLeases,
        ingestion: Callable[[], Ingestion],
        metrics: Metrics,
        waiting_limit: int = WAITING_LIMIT,
    ) -> None:
        """`ingestion` raises what keeps documents from being indexed at all."""
        self._catalog = catalog
        self._leases = leases
        self._ingestion = ingestion
        self._metrics = metrics
        self._waiting: FairQueue[tuple[str, str]] = FairQueue("indexing", waiting_limit)
        self._known: set[tuple[str, str]] = set()
        """What is in `_waiting`, so that nothing is in it twice."""
        self._in_work: Counter[str] = Counter()
        """Documents in work, by tenant; none of 0."""
        self._overfull: set[str] = set()
        """Tenants with documents that found no room."""
        self._news = anyio.Event()

    def add(self, tenant_id: str, document_id: str) -> None:
        """Index a document soon."""
        item = (tenant_id, document_id)
        if item in self._known:
            return
        try:
            self._waiting.push(Caller(tenant_id, Priority.BACKGROUND), item)
        except LaneBusy:
            self._overfull.add(tenant_id)
        else:
            self._known.add(item)
            self._news.set()

    async def run(self) -> None:
        """Take up what earlier runs left unfinished, then work until cancelled."""
        async with anyio.create_task_group() as tasks:
            for number in range(WORKERS + STANDBY_WORKERS):
                tasks.start_soon(self._work, number >= WORKERS)
            for tenant in await self._catalog.tenants():
                await self._add_unfinished(tenant.id, tidy=True)

    async def _add_unfinished(self, tenant_id: str, *, tidy: bool = False) -> None:
        """`tidy`: also remove the files that a killed process was about to remove."""
        try:
            async with self._leases.lease(tenant_id, even_suspended=True) as handle:
                for record in await self._ingestion().list(handle):
                    if not record.finished:
                        self.add(tenant_id, record.id)
                if tidy:
                    await self._ingestion().tidy(handle)
        except NotFound:
            return  # erased meanwhile
        except AuraError as error:
            log.warning(
                "unfinished documents and files to be removed wait for the next start",
                extra={"code": error.code},
            )

    async def _next(self, standby: bool) -> tuple[str, str]:
        while True:
            item = self._waiting.pop(passing_over=self._in_work)
            if item is None and not standby:
                item = self._waiting.pop()
            if item is not None:
                self._known.discard(item)
                return item
            if self._overfull and not standby:
                await self._add_unfinished(self._overfull.pop())
                continue
            if self._news.is_set():  # else another worker waits for it already
                self._news = anyio.Event()
            await self._news.wait()

    async def _work(self, standby: bool) -> None:
        while True:
            tenant_id, document_id = await self._next(standby)
            self._in_work[tenant_id] += 1
            try:
                await self._index(tenant_id, document_id)
            except AuraError as error:
                # It stays unfinished: what is in the way is not the document's fault.
                log.warning("document not indexed", extra={"code": error.code})
            except Exception as error:  # noqa: BLE001 - the loop of a worker
                # One document must not end the indexing of all others, nor come back at every start.
                log.warning("document not indexed", extra={"code": type(error).__name__})
                await self._give_up(tenant_id, document_id)
            finally:
                self._in_work -= Counter((tenant_id,))  # leaves no zeros

    async def _index(self, tenant_id: str, document_id: str) -> None:
        """Raises what still is in the way after the last retry."""
        for attempt in range(RETRIES):
            try:
                # What was accepted is indexed, also where the tenant has been stopped meanwhile.
                async with self._leases.lease(tenant_id, even_suspended=True) as handle:
                    record = await self._ingestion().index(handle, document_id)
            except NotFound:
                return  # deleted meanwhile
            except AuraError as error:
                if not error.retryable or attempt == RETRIES - 1:
                    raise
                await anyio.sleep(RETRY_AFTER_S * 2**attempt)
            else:
                self._metrics.document_finished("indexed" if record.status == "indexed" else "failed")
                return

    async def _give_up(self, tenant_id: str, document_id: str) -> None:
        try:
            async with self._leases.lease(tenant_id, even_suspended=True) as handle:
                ingestion = self._ingestion()
                await ingestion.fail(handle, await ingestion.get(handle, document_id), BROKEN)
        except AuraError as error:
            log.warning("document not marked as failed", extra={"code": error.code})
