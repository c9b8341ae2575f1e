"""A new version takes the place of the earlier one at once or not at all; what is stopped leaves nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from aura_local.errors import Conflict, NotFound
from aura_local.ports import Caller, Priority
from aura_local.retrieval.documents import DocumentRecord, delete_row
from aura_local.retrieval.ingestion import Ingestion
from aura_local.storage.leases import TenantHandle
from tests.retrieval.conftest import OpenTenant
from tests.retrieval.gated import GatedEmbedder, child_processes, until_a_child_runs
from tests.retrieval.uploads import DOGS, HOURS, chunks, ingest

pytestmark = pytest.mark.anyio
NOTHING_IN_IT = b"%PDF-1.7\nrubbish"


async def texts(handle: TenantHandle) -> list[str]:
    """What a question could be answered from, in the database; the index holds as many vectors."""
    rows = await handle.database.read(
        lambda connection: connection.execute("SELECT text FROM passages ORDER BY id").fetchall()
    )
    assert await (await handle.index()).count() == len(rows)
    return [row[0] for row in rows]


async def blobs(handle: TenantHandle) -> set[str]:
    return {path.name for path in (handle.folder / "blobs").rglob("*") if path.is_file()}


async def put(ingestion: Ingestion, handle: TenantHandle, data: bytes, source: str) -> DocumentRecord:
    record = await ingestion.add(handle, "file.md", chunks(data), source=source)
    return await ingestion.index(handle, record.id)


# --- versions --------------------------------------------------------------------------------------


async def test_a_version_answers_only_once_all_of_it_is_there(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        embedder = GatedEmbedder()
        ingestion = Ingestion(embedder)
        first = await ingest(ingestion, handle, "hours.md", HOURS)
        assert (first.version, first.indexed_sha256) == (1, first.sha256)
        before = await texts(handle)

        accepted = await ingestion.replace(handle, first.id, "dogs.md", chunks(DOGS))
        assert (accepted.id, accepted.version, accepted.name) == (first.id, 2, "dogs.md")
        assert (accepted.status, accepted.indexed_sha256) == ("received", first.sha256)
        embedder.close_gate()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingestion.index, handle, first.id)
            await embedder.asked.wait()
            assert await texts(handle) == before
            assert await ingestion.originals.content(handle, await ingestion.get(handle, first.id)) == HOURS
            embedder.gate.set()
        second = await ingestion.get(handle, first.id)
        assert (second.status, second.indexed_sha256) == ("indexed", second.sha256)
        assert all("Dogs" in text for text in await texts(handle))
        assert await blobs(handle) == {second.sha256}


async def test_a_version_that_fails_leaves_the_earlier_one_answering(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(GatedEmbedder())
        first = await put(ingestion, handle, HOURS, "folder:/hours")
        before = await texts(handle)
        broken = await put(ingestion, handle, NOTHING_IN_IT, "folder:/hours")
        assert (broken.id, broken.version, broken.status) == (first.id, 2, "failed")
        assert broken.reason is not None
        assert broken.reason.endswith("; the earlier version still answers.")
        assert await texts(handle) == before
        assert await ingestion.originals.content(handle, broken) == HOURS
        assert await blobs(handle) == {first.sha256, broken.sha256}

        mended = await put(ingestion, handle, DOGS, "folder:/hours")
        assert (mended.version, mended.status, mended.reason) == (3, "indexed", None)
        assert await blobs(handle) == {mended.sha256}
        await ingestion.delete(handle, mended.id)
        assert await blobs(handle) == set()


async def test_a_version_that_comes_during_the_work_on_another_wins(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        embedder = GatedEmbedder()
        ingestion = Ingestion(embedder)
        embedder.close_gate()
        record = await ingestion.add(handle, "file.md", chunks(HOURS), source="folder:/x")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingestion.index, handle, record.id)
            await embedder.asked.wait()
            await ingestion.add(handle, "file.md", chunks(DOGS), source="folder:/x")
            embedder.gate.set()
        final = await ingestion.get(handle, record.id)
        assert (final.status, final.version) == ("indexed", 2)
        assert all("Dogs" in text for text in await texts(handle))
        assert await blobs(handle) == {final.sha256}


# --- the same bytes --------------------------------------------------------------------------------


async def test_the_same_bytes_twice_at_once_are_one_document(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(GatedEmbedder())
        found: list[DocumentRecord] = []
        both = anyio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield HOURS
            await both.wait()

        async def upload() -> None:
            record = await ingestion.add(handle, "hours.md", slow())
            found.append(await ingestion.index(handle, record.id))

        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(upload)
            both.set()
        assert found[0] == found[1]
        assert len(await ingestion.list(handle)) == len(await texts(handle)) == 1


async def test_an_upload_that_a_folder_has_too_becomes_the_folders(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(GatedEmbedder())
        uploaded = await ingest(ingestion, handle, "hours.md", HOURS)
        kept = await put(ingestion, handle, HOURS, "folder:/a")
        assert (kept.id, kept.source, kept.version) == (uploaded.id, "folder:/a", 1)
        # Two files of a folder go their own ways, whatever is in them today.
        twin = await put(ingestion, handle, HOURS, "folder:/b")
        assert twin.id != kept.id
        assert await ingest(ingestion, handle, "again.md", HOURS) == kept
        assert len(await blobs(handle)) == 1


async def test_bytes_in_a_document_for_admins_are_not_given_away(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(GatedEmbedder())
        secret = await ingestion.add(handle, "plan.md", chunks(HOURS), audience="admins")
        members = await ingestion.add(handle, "hours.md", chunks(HOURS), seen_by="members")
        assert members.id != secret.id
        assert (members.audience, members.sensitivity) == ("members", "internal")
        assert (await ingestion.add(handle, "x.md", chunks(HOURS), seen_by="members")).id == members.id


# --- cancelling, deleting, trying again ------------------------------------------------------------


async def test_cancelling_ends_the_parser_and_leaves_nothing(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(GatedEmbedder())
        record = await ingestion.add(handle, "hours.md", chunks(HOURS))
        before = child_processes()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingestion.index, handle, record.id)
            parser = await until_a_child_runs(before)
            cancelled = await ingestion.cancel(handle, record.id)
            assert (cancelled.status, cancelled.reason) == ("failed", "cancelled")
        assert not parser & child_processes()
        assert await ingestion.get(handle, record.id) == cancelled
        assert await texts(handle) == []
        assert ingestion.progress.of(handle.id, record.id) is None


async def test_cancelled_while_it_waits_it_is_not_indexed_until_it_is_tried_again(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(GatedEmbedder())
        record = await ingestion.add(handle, "hours.md", chunks(HOURS))
        await ingestion.cancel(handle, record.id)
        assert (await ingestion.index(handle, record.id)).status == "failed"
        with pytest.raises(Conflict):
            await ingestion.cancel(handle, record.id)
        assert (await ingestion.retry(handle, record.id)).status == "received"
        assert (await ingestion.index(handle, record.id)).status == "indexed"
        for call in (ingestion.cancel, ingestion.retry):
            with pytest.raises(Conflict):
                await call(handle, record.id)
            with pytest.raises(NotFound):
                await call(handle, "doc_of_another_tenant")


async def test_cancelled_while_it_is_embedded_and_tried_again_at_once(open_tenant: OpenTenant) -> None:
    """What the first run had in hand is not written under the second one's name."""
    async with open_tenant() as handle:
        embedder = GatedEmbedder()
        ingestion = Ingestion(embedder)
        record = await ingest(ingestion, handle, "dogs.md", DOGS)
        await ingestion.replace(handle, record.id, "hours.md", chunks(HOURS))
        embedder.close_gate()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingestion.index, handle, record.id)
            await embedder.asked.wait()
            cancelled = await ingestion.cancel(handle, record.id)
            assert cancelled.reason == "cancelled; the earlier version still answers."
            await ingestion.retry(handle, record.id)
            embedder.gate.set()
        assert (await ingestion.get(handle, record.id)).status == "indexed"
        assert len(await texts(handle)) == 1


async def test_deleting_what_is_being_indexed(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        embedder = GatedEmbedder()
        ingestion = Ingestion(embedder)
        embedder.close_gate()
        record = await ingestion.add(handle, "hours.md", chunks(HOURS))

        async def index() -> None:
            with pytest.raises(NotFound):
                await ingestion.index(handle, record.id)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(index)
            await embedder.asked.wait()
            await ingestion.delete(handle, record.id)
        assert await ingestion.list(handle) == ()
        assert await texts(handle) == []
        assert await blobs(handle) == set()


# --- labels, passages, text ------------------------------------------------------------------------


async def test_labels_given_during_the_work_are_those_in_the_index(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        embedder = GatedEmbedder()
        ingestion = Ingestion(embedder)
        embedder.close_gate()
        record = await ingestion.add(handle, "hours.md", chunks(HOURS))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingestion.index, handle, record.id)
            await embedder.asked.wait()
            labelled = await ingestion.set_labels(
                handle, record.id, audience="admins", sensitivity="confidential"
            )
            embedder.gate.set()
        assert (labelled.audience, labelled.sensitivity) == ("admins", "confidential")
        index = await handle.index()
        question = (await embedder.embed(["museum"], caller=Caller("museum", Priority.CHAT)))[0]
        assert await index.query(question, 5, frozenset(range(8))) == []
        assert len(await index.query(question, 5, frozenset({8}))) == 1
        await ingestion.set_labels(handle, record.id, audience="public", sensitivity="public")
        assert len(await index.query(question, 5, frozenset({0}))) == 1


async def test_passages_are_slices_of_the_text(open_tenant: OpenTenant) -> None:
    rooms = b"".join(b"# Room %d\n\nThe room has %d chairs. It is warm.\n\n" % (n, n) for n in range(7))
    async with open_tenant() as handle:
        ingestion = Ingestion(GatedEmbedder())
        waiting = await ingestion.add(handle, "rooms.md", chunks(rooms))
        with pytest.raises(Conflict):
            await ingestion.originals.text(handle, waiting)
        record = await ingestion.index(handle, waiting.id)
        text = await ingestion.originals.text(handle, record)
        first = await ingestion.passages(handle, record.id, limit=4)
        rest = await ingestion.passages(handle, record.id, after=first[-1].ordinal)
        assert [one.ordinal for one in (*first, *rest)] == list(range(7))
        for one in (*first, *rest):
            assert text[one.start_character : one.end_character] == one.text
            assert (one.heading, one.page) == (f"Room {one.ordinal}", None)
            assert one.tokens is not None
            assert one.tokens > 0


async def test_what_a_killed_process_was_about_to_remove_is_removed_later(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(GatedEmbedder())
        kept = await ingestion.add(handle, "kept.md", chunks(HOURS))
        gone = await ingestion.add(handle, "gone.md", chunks(DOGS))
        # All that deleting does before it removes the file.
        await handle.database.write(lambda connection: delete_row(connection, gone.id))
        assert await blobs(handle) == {kept.sha256, gone.sha256}
        await ingestion.tidy(handle)
        assert await blobs(handle) == {kept.sha256}
        assert await ingestion.originals.content(handle, kept) == HOURS
