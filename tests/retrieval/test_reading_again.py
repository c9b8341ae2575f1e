"""Documents read again in their place: the old passages answer until the new ones are there."""

from __future__ import annotations

import anyio
import pytest

from aura_local.errors import NotFound
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.readers.limits import ReadingLimits
from tests.retrieval.conftest import OpenTenant
from tests.retrieval.gated import GatedEmbedder
from tests.retrieval.test_document_versions import NOTHING_IN_IT, put, texts
from tests.retrieval.uploads import HOURS, chunks, ingest

pytestmark = pytest.mark.anyio


async def test_a_document_read_again_answers_until_the_new_passages_are_there(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant() as handle:
        embedder = GatedEmbedder()
        ingestion = Ingestion(embedder)
        first = await ingest(ingestion, handle, "hours.md", HOURS)
        # As an earlier version of the program would have cut it.
        await handle.database.write(
            lambda connection: connection.execute("UPDATE passages SET text = 'cut long ago'") and None
        )
        before = await texts(handle)
        assert set(before) == {"cut long ago"}
        await ingestion.read_again(handle, [first.id])
        assert (await ingestion.get(handle, first.id)).status == "received"
        embedder.close_gate()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingestion.index, handle, first.id)
            await embedder.asked.wait()
            assert await texts(handle) == before
            tasks.cancel_scope.cancel()  # the process ends half way
    async with open_tenant() as handle:
        ingestion = Ingestion(GatedEmbedder())
        unfinished = await ingestion.get(handle, first.id)
        assert (unfinished.id, unfinished.finished, await texts(handle)) == (first.id, False, before)
        again = await ingestion.index(handle, first.id)
        assert (again.status, again.version, again.sha256) == ("indexed", 1, first.sha256)
        now = await texts(handle)
        assert len(now) == first.passage_count
        assert "cut long ago" not in now


async def test_read_again_a_failed_document_is_tried_and_a_cancelled_one_is_not(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(GatedEmbedder())
        failed = await put(ingestion, handle, NOTHING_IN_IT, "folder:/failed")
        cancelled = await ingestion.add(handle, "hours.md", chunks(HOURS))
        await ingestion.cancel(handle, cancelled.id)
        assert await ingestion.read_again(handle, [failed.id, cancelled.id]) == [failed.id]
        statuses = [record.status for record in await ingestion.list(handle)]
        assert statuses == ["received", "failed"]
        with pytest.raises(NotFound):
            await ingestion.read_again(handle, [cancelled.id, "doc_of_another_tenant"])


async def test_a_document_that_cannot_be_read_again_goes_on_answering(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        record = await ingest(Ingestion(GatedEmbedder()), handle, "hours.md", HOURS)
        before = await texts(handle)
        stricter = Ingestion(GatedEmbedder(), limits=ReadingLimits(text_bytes=1))
        await stricter.read_again(handle, [record.id])
        failed = await stricter.index(handle, record.id)
        assert failed.status == "failed"
        assert failed.reason is not None
        assert failed.reason.endswith("; the earlier version still answers.")
        assert await texts(handle) == before
