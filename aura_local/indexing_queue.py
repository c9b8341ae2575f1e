"""Indexes accepted documents in the background, a few at a time. Layer 4.

The record is in the tenants' files: a document that is accepted and not finished is found there at the
next start, so this queue may forget, and the process may be killed, without losing one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import anyio

from aura_local.errors import AuraError
from aura_local.metrics import Metrics
from aura_local.retrieval.ingestion import Ingestion
from aura_local.storage.catalog import Catalog
from aura_local.storage.leases import TenantLeases

log = logging.getLogger(__name__)

WORKERS: Final = 2
WAITING_LIMIT: Final = 10_000
"""Documents that wait; more are left to the next start."""
RETRIES: Final = 5
RETRY_AFTER_S: Final = 2.0
"""Before the first retry; doubled each time."""


class IndexingQueue:
    """One per engine; `run` owns its tasks."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        leases: TenantLeases,
        ingestion: Callable[[], Ingestion],
        metrics: Metrics,
    ) -> None:
        """`ingestion` raises what keeps documents from being indexed at all."""
        self._catalog = catalog
        self._leases = leases
        self._ingestion = ingestion
        self._metrics = metrics
        self._waiting: asyncio.Queue[tuple[str, str]] = asyncio.Queue(WAITING_LIMIT)

    def add(self, tenant_id: str, document_id: str) -> None:
        """Index a document soon."""
        try:
            self._waiting.put_nowait((tenant_id, document_id))
        except asyncio.QueueFull:
            log.warning("the indexing queue is full; a document waits for the next start")

    async def run(self) -> None:
        """Take up what earlier runs left unfinished, then work until cancelled."""
        async with anyio.create_task_group() as tasks:
            for _ in range(WORKERS):
                tasks.start_soon(self._work)
            await self._add_unfinished()

    async def _add_unfinished(self) -> None:
        for tenant in await self._catalog.tenants():
            try:
                async with self._leases.lease(tenant.id, even_suspended=True) as handle:
                    for record in await self._ingestion().list(handle):
                        if record.status not in ("indexed", "failed"):
                            self.add(tenant.id, record.id)
            except AuraError as error:
                log.warning("unfinished documents wait for the next start", extra={"code": error.code})

    async def _work(self) -> None:
        while True:
            tenant_id, document_id = await self._waiting.get()
            try:
                await self._index(tenant_id, document_id)
            except Exception as error:  # noqa: BLE001 - the loop of a worker
                # One document must not end the indexing of all others; it stays unfinished.
                code = error.code if isinstance(error, AuraError) else type(error).__name__
                log.warning("document not indexed", extra={"code": code})

    async def _index(self, tenant_id: str, document_id: str) -> None:
        """Raises what still is in the way after the last retry."""
        for attempt in range(RETRIES):
            try:
                # What was accepted is indexed, also where the tenant has been stopped meanwhile.
                async with self._leases.lease(tenant_id, even_suspended=True) as handle:
                    record = await self._ingestion().index(handle, document_id)
            except AuraError as error:
                if not error.retryable or attempt == RETRIES - 1:
                    raise
                await anyio.sleep(RETRY_AFTER_S * 2**attempt)
            else:
                self._metrics.document_finished("indexed" if record.status == "indexed" else "failed")
                return
