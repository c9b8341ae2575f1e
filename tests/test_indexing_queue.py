"""The background queue: nothing is forgotten, and one document does not stop the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from aura_local.engine import Engine
from aura_local.indexing_queue import BROKEN, IndexingQueue
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
