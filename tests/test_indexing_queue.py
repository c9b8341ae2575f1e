"""The background queue: nothing is forgotten, and one document does not stop the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from aura_local.adapters.scripted import ScriptedEmbedder
from aura_local.engine import Engine
from aura_local.indexing_queue import BROKEN, IndexingQueue
from aura_local.ports import Caller
from aura_local.retrieval.documents import DocumentRecord
from aura_local.storage.leases import TenantHandle
from tests.retrieval.uploads import chunks
from tests.support.engine import ScriptedRoom, open_museum, open_scripted_engine

pytestmark = pytest.mark.anyio


def queue_of(engine: Engine, waiting_limit: int = 100) -> IndexingQueue:
    return IndexingQueue(
        catalog=engine.catalog,
        leases=engine.leases,
        ingestion=lambda: engine.ingestion,
        metrics=engine.metrics,
        waiting_limit=waiting_limit,
    )


@asynccontextmanager
async def running(queue: IndexingQueue) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run)
        yield
        tasks.cancel_scope.cancel()


async def finished(engine: Engine, handle: TenantHandle) -> list[DocumentRecord]:
    """All documents of the tenant, once nothing is to be done for any."""
    with anyio.fail_after(30), engine.ingestion.progress.watch(handle.id) as watch:
        while not all(record.finished for record in await engine.ingestion.list(handle)):
            await watch.wait()
    return list(await engine.ingestion.list(handle))


async def test_more_documents_than_the_queue_holds(tmp_path: Path) -> None:
    async with open_scripted_engine(tmp_path) as engine, open_museum(engine) as handle:
        queue = queue_of(engine, waiting_limit=2)
        for number in range(6):
            text = f"Room {number} is open.".encode()
            record = await engine.ingestion.add(handle, f"{number}.txt", chunks(text))
            for _ in range(2):  # twice is once
                queue.add(handle.id, record.id)
        async with running(queue):
            records = await finished(engine, handle)
        assert [record.status for record in records] == ["indexed"] * 6


async def test_a_document_that_breaks_the_program_fails_and_the_next_is_indexed(tmp_path: Path) -> None:
    room = ScriptedRoom()
    async with open_scripted_engine(tmp_path, room=room) as engine, open_museum(engine) as handle:
        queue, script = queue_of(engine), room.engines["embedder"].script
        script.failure = ArithmeticError("a fault of ours")
        async with running(queue):
            broken = await engine.ingestion.add(handle, "broken.txt", chunks(b"Open at nine."))
            queue.add(handle.id, broken.id)
            (record,) = await finished(engine, handle)
            assert (record.status, record.reason) == ("failed", BROKEN)
            script.failure = None
            good = await engine.ingestion.add(handle, "good.txt", chunks(b"Open at ten."))
            queue.add(handle.id, good.id)
            assert [one.status for one in await finished(engine, handle)] == ["failed", "indexed"]


async def test_what_was_deleted_or_cancelled_while_it_waited_is_passed_over(tmp_path: Path) -> None:
    async with open_scripted_engine(tmp_path) as engine, open_museum(engine) as handle:
        queue, ingestion = queue_of(engine), engine.ingestion
        ids = []
        for name in ("deleted", "cancelled", "kept"):
            record = await ingestion.add(handle, f"{name}.txt", chunks(f"This is {name}.".encode()))
            ids.append(record.id)
            queue.add(handle.id, record.id)
        await ingestion.delete(handle, ids[0])
        await ingestion.cancel(handle, ids[1])
        async with running(queue):
            records = await finished(engine, handle)
        assert [(one.name, one.status) for one in records] == [
            ("cancelled.txt", "failed"),
            ("kept.txt", "indexed"),
        ]


class HeldEmbedder(ScriptedEmbedder):
    """Notes whose documents it is asked about, and keeps one tenant's waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.held = ""
        self.asked: list[str] = []
        self.news = anyio.Event()
        self.gate = anyio.Event()

    async def embed(self, texts: Sequence[str], *, caller: Caller) -> NDArray[np.float32]:
        self.asked.append(caller.tenant_id)
        self.news.set()
        if caller.tenant_id == self.held:
            await self.gate.wait()
        return await super().embed(texts, caller=caller)

    async def until_asked(self, times: int) -> None:
        with anyio.fail_after(30):
            while len(self.asked) < times:
                self.news = anyio.Event()
                await self.news.wait()


@asynccontextmanager
async def two_tenants(
    folder: Path, embedder: HeldEmbedder
) -> AsyncIterator[tuple[Engine, list[TenantHandle]]]:
    room = ScriptedRoom({"embedder": embedder})
    async with open_scripted_engine(folder, room=room) as engine, AsyncExitStack() as stack:
        handles = []
        for name in ("Long Archive", "Old Mill"):
            tenant = await engine.catalog.create_tenant(name)
            handles.append(await stack.enter_async_context(engine.leases.lease(tenant.id)))
        yield engine, handles


async def accepted(engine: Engine, handle: TenantHandle, queue: IndexingQueue, documents: int) -> None:
    for number in range(documents):
        text = f"Shelf {number} holds maps.".encode()
        record = await engine.ingestion.add(handle, f"{number}.txt", chunks(text))
        queue.add(handle.id, record.id)


async def test_a_tenant_with_large_documents_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Both workers have a document that takes for ever; the others' are indexed meanwhile."""
    embedder = HeldEmbedder()
    async with two_tenants(tmp_path, embedder) as (engine, (busy, other)):
        queue, embedder.held = queue_of(engine), busy.id
        await accepted(engine, busy, queue, 4)
        async with running(queue):
            await embedder.until_asked(2)
            await accepted(engine, other, queue, 3)
            assert [record.status for record in await finished(engine, other)] == ["indexed"] * 3
            assert Counter(embedder.asked) == {busy.id: 2, other.id: 3}
            embedder.gate.set()
            assert [record.status for record in await finished(engine, busy)] == ["indexed"] * 4


async def test_nobody_has_a_second_document_in_work_while_another_waits_for_a_first(tmp_path: Path) -> None:
    embedder = HeldEmbedder()
    async with two_tenants(tmp_path, embedder) as (engine, (many, few)):
        queue = queue_of(engine)
        await accepted(engine, many, queue, 6)
        await accepted(engine, few, queue, 2)
        async with running(queue):
            await finished(engine, few)
            assert embedder.asked.count(many.id) <= 3
            await finished(engine, many)
        assert Counter(embedder.asked) == {many.id: 6, few.id: 2}
