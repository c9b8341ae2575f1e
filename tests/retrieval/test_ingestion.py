"""Accepted means kept: every document ends indexed or failed, once, whatever happens in between."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from aura_local.adapters.minilm_embedder import MiniLmEmbedder
from aura_local.errors import EngineUnavailable, InvalidRequest, NotFound, PayloadTooLarge
from aura_local.ports import Caller, Priority
from aura_local.retrieval.document_progress import IndexingProgress
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.vector_index import VectorIndex
from aura_local.storage.leases import TenantHandle
from tests.retrieval.conftest import REPOSITORY, OpenTenant
from tests.retrieval.documents import pdf
from tests.retrieval.uploads import DOGS, HOURS, chunks, ingest


async def rows(handle: TenantHandle, query: str) -> list[tuple[Any, ...]]:
    return await handle.database.read(lambda connection: list(connection.execute(query).fetchall()))


@pytest.mark.anyio
@pytest.mark.engines
async def test_a_document_is_accepted_then_indexed(embedder: MiniLmEmbedder, open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        accepted = await ingestion.add(handle, "hours.md", chunks(HOURS))
        assert (accepted.status, accepted.size_bytes, accepted.passage_count) == (
            "received",
            len(HOURS),
            None,
        )
        steps: list[IndexingProgress] = []
        record = await ingestion.index(handle, accepted.id, progress=steps.append)
        assert (record.status, record.media_type, record.reason) == ("indexed", "text/markdown", None)
        assert (record.page_count, record.passage_count) == (None, 1)
        assert steps == [
            IndexingProgress("parsing"),
            IndexingProgress("embedding"),
            IndexingProgress("embedding", None, 0, 1),
            IndexingProgress("embedding", None, 1, 1),
        ]
        assert ingestion.progress.of(handle.id, record.id) is None
        ((heading, text, vector),) = await rows(handle, "SELECT heading, text, vector FROM passages")
        assert heading == "Opening hours"
        assert text == "The museum opens at nine in the morning. It closes at six in the evening."
        expected = await embedder.embed([f"{heading}\n{text}"], caller=Caller("museum", Priority.CHAT))
        assert np.frombuffer(vector, "<f4") @ expected[0] == pytest.approx(1.0, abs=1e-3)
        assert len(await rows(handle, "SELECT * FROM passage_sentences")) == 2
        index: VectorIndex = await handle.index()
        assert await index.count() == 1
        assert await ingestion.list(handle) == (record,)


@pytest.mark.anyio
@pytest.mark.engines
async def test_the_same_bytes_are_the_same_document(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        first = await ingest(ingestion, handle, "hours.md", HOURS)
        again = await ingest(ingestion, handle, "copy.md", HOURS)
        assert again == first
        assert len(await rows(handle, "SELECT * FROM passages")) == 1


@pytest.mark.anyio
@pytest.mark.engines
async def test_names_are_shown_never_used_as_paths(embedder: MiniLmEmbedder, open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        record = await ingestion.add(handle, "..\\..//etc/ho\x00urs.md", chunks(HOURS))
        assert record.name == "hours.md"
        for name in ("", "  ", "folder/", "x" * 256):
            with pytest.raises(InvalidRequest):
                await ingestion.add(handle, name, chunks(HOURS))
        with pytest.raises(PayloadTooLarge):
            await ingestion.add(handle, "long.md", chunks(DOGS), limit_bytes=10)
        assert [row.name for row in await ingestion.list(handle)] == ["hours.md"]


@pytest.mark.anyio
@pytest.mark.engines
async def test_a_bad_document_fails_with_its_reason_and_may_be_tried_again(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        record = await ingest(ingestion, handle, "secret.pdf", pdf(["Hello"], password="x"))
        assert record.status == "failed"
        assert record.reason == "The PDF needs a password; remove it and try again."
        assert await ingestion.index(handle, record.id) == record  # a failed one is left alone
        await handle.blobs.delete(record.sha256)
        assert (await ingestion.retry(handle, record.id)).status == "received"
        again = await ingestion.index(handle, record.id)
        assert again.reason == "The stored file is missing or damaged; upload it again."
        data = pdf(["Hello"], password="x")
        assert (await ingestion.add(handle, "other.pdf", chunks(data))).status == "received"


@pytest.mark.anyio
@pytest.mark.engines
async def test_deleting_removes_passages_vectors_words_and_bytes(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        hours = await ingest(ingestion, handle, "hours.md", HOURS)
        dogs = await ingest(ingestion, handle, "dogs.md", DOGS)
        await ingestion.delete(handle, hours.id)
        assert [row.id for row in await ingestion.list(handle)] == [dogs.id]
        assert await rows(handle, "SELECT rowid FROM passages_fts WHERE passages_fts MATCH 'museum'") == []
        assert len(await rows(handle, "SELECT * FROM passage_sentences")) == 2
        assert await (await handle.index()).count() == 1
        with pytest.raises(NotFound):
            await handle.blobs.read(hours.sha256)
        for call in (ingestion.delete, ingestion.index, ingestion.get):
            with pytest.raises(NotFound):
                await call(handle, hours.id)


@pytest.mark.anyio
@pytest.mark.engines
async def test_a_deletion_leaves_the_bytes_to_an_upload_of_the_same_on_its_way(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        record = await ingest(ingestion, handle, "hours.md", HOURS)
        read_all, deleted = anyio.Event(), anyio.Event()

        async def slow() -> Any:
            yield HOURS
            read_all.set()
            await deleted.wait()

        async def delete() -> None:
            await read_all.wait()
            await ingestion.delete(handle, record.id)
            deleted.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(delete)
            again = await ingestion.add(handle, "hours.md", slow())
        assert again.id != record.id
        assert await handle.blobs.read(again.sha256) == HOURS


class FailingEmbedder:
    """The real one, which stops working after some calls."""

    def __init__(self, embedder: MiniLmEmbedder, calls: int) -> None:
        self._embedder = embedder
        self._calls = calls
        self.dimensions = embedder.dimensions
        self.window_tokens = embedder.window_tokens
        self.description = embedder.description
        self.count_tokens = embedder.count_tokens
        self.close = embedder.close

    async def embed(self, texts: Sequence[str], *, caller: Caller) -> NDArray[np.float32]:
        self._calls -= 1
        if self._calls < 0:
            raise EngineUnavailable("The embedder has stopped.")
        return await self._embedder.embed(texts, caller=caller)


@pytest.mark.anyio
@pytest.mark.engines
async def test_an_engine_that_fails_leaves_the_document_to_be_resumed(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    many = b"\n\n".join(b"Room %d is open. It has %d chairs." % (n, n) for n in range(1_000))
    async with open_tenant() as handle:
        broken = Ingestion(FailingEmbedder(embedder, calls=1))
        with pytest.raises(EngineUnavailable):
            await ingest(broken, handle, "rooms.txt", many)
        assert [row.status for row in await broken.list(handle)] == ["embedding"]
        assert await rows(handle, "SELECT * FROM passages") == []
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        (left,) = await ingestion.list(handle)
        record = await ingestion.index(handle, left.id)
        assert record.status == "indexed"
        assert await ingestion.index(handle, left.id) == record
        assert await (await handle.index()).count() == record.passage_count


@pytest.mark.anyio
@pytest.mark.engines
async def test_indexing_twice_at_once_makes_no_duplicates(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        record = await ingestion.add(handle, "hours.md", chunks(HOURS))
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ingestion.index, handle, record.id)
        assert len(await rows(handle, "SELECT * FROM passages")) == 1
        assert await (await handle.index()).count() == 1
        assert (await ingestion.get(handle, record.id)).status == "indexed"


KILLED = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import anyio
from aura_local.retrieval import indexing
from aura_local.retrieval.ingestion import Ingestion
from tests.retrieval.conftest import MODEL, CoreBudget, AdapterContext, open_adapter, open_tenant
from tests.retrieval.uploads import DOGS, HOURS, chunks

def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)

async def main():
    files = {path.name: path for path in (Path(sys.argv[1]) / "models" / MODEL).iterdir()}
    embedder = open_adapter(AdapterContext(MODEL, CoreBudget(1), files))
    async with open_tenant.__wrapped__(Path(sys.argv[2]))() as handle:
        ingestion_ = Ingestion(embedder)
        for name, data in (("hours.md", HOURS), ("dogs.md", DOGS)):
            record = await ingestion_.add(handle, name, chunks(data))
            print(record.id, flush=True)
        if sys.argv[3] == "accepted": die()
        if sys.argv[3] == "parsed": indexing.cut_passages = die
        if sys.argv[3] == "committed":
            index = await handle.index()
            index.add = die
        await ingestion_.index(handle, record.id)

anyio.run(main)
"""


@pytest.mark.anyio
@pytest.mark.engines
@pytest.mark.parametrize("moment", ["accepted", "parsed", "committed"])
async def test_kill_nine_loses_and_doubles_nothing(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant, tmp_path: Path, moment: str
) -> None:
    killed = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, "-c", KILLED, str(REPOSITORY), str(tmp_path), moment],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    acknowledged = killed.stdout.split()
    assert len(acknowledged) == 2
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        for record in await ingestion.list(handle):
            await ingestion.index(handle, record.id)
        records = await ingestion.list(handle)
        assert {record.id for record in records} == set(acknowledged)
        assert {record.status for record in records} == {"indexed"}
        assert len(await rows(handle, "SELECT * FROM passages")) == 2
        index: VectorIndex = await handle.index()
        assert index.accelerated
        assert await index.count() == 2
