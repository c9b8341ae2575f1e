"""The index in memory against the oracle, and what it leaves on the disk: nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aura_local.adapters.minilm_embedder import MiniLmEmbedder
from aura_local.ports import Caller, Priority
from aura_local.retrieval.exact_search import exact_search, vector_bytes
from aura_local.retrieval.folder_lock import FolderLock
from aura_local.retrieval.index_choice import IndexLocation
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.memory_index import MemoryIndex
from aura_local.retrieval.retriever import Retriever
from aura_local.storage.leases import TenantHandle
from tests.retrieval.conftest import OpenTenant
from tests.retrieval.test_vector_index import MEMBERS, remove, store, vectors
from tests.retrieval.uploads import DOGS, HOURS, ingest

pytestmark = pytest.mark.anyio


async def opened(handle: TenantHandle) -> MemoryIndex:
    index = await handle.index()
    assert isinstance(index, MemoryIndex)
    return index


async def agrees_with_the_oracle(handle: TenantHandle, question: NDArray[np.float32]) -> None:
    found = await (await opened(handle)).query(question, 5)
    expected = await exact_search(handle.database, question, 5)
    assert [one.passage_id for one in found] == [one.passage_id for one in expected]
    assert [one.similarity for one in found] == pytest.approx([one.similarity for one in expected], abs=1e-6)


async def test_it_finds_what_the_oracle_finds_through_changes_and_restarts(open_tenant: OpenTenant) -> None:
    rows = vectors(2_100)
    async with open_tenant("museum", "memory") as handle:
        ids = await store(handle.database, rows[:2_000])
        index = await opened(handle)
        assert await index.count() == 2_000
        await agrees_with_the_oracle(handle, rows[5])
        ids += await store(handle.database, rows[2_000:])
        await index.add(ids[2_000:], rows[2_000:], MEMBERS)
        await index.add([], rows[:0], MEMBERS)
        await remove(handle.database, ids[5])
        await index.delete([ids[5], 999_999])
        assert await index.count() == 2_099
        for row in (rows[5], rows[2_050]):
            await agrees_with_the_oracle(handle, row)
        assert ids[5] not in {one.passage_id for one in await index.query(rows[5], 2_100)}
    async with open_tenant("museum", "memory") as handle:
        assert await (await opened(handle)).count() == 2_099
        await agrees_with_the_oracle(handle, rows[2_050])


async def test_passages_it_has_not_seen_are_found_at_once(open_tenant: OpenTenant) -> None:
    async with open_tenant("museum", "memory") as handle:
        index = await opened(handle)
        rows = vectors(3)
        ids = await store(handle.database, rows)
        assert (await index.query(rows[1], 1))[0].passage_id == ids[1]


async def test_another_embedders_vectors_are_passed_over(open_tenant: OpenTenant) -> None:
    async with open_tenant("museum", "memory") as handle:
        old = np.eye(8, dtype=np.float32)
        await store(handle.database, old)
        index = await opened(handle)
        rows = vectors(4)
        ids = await store(handle.database, rows)
        await index.add(ids, rows, MEMBERS)
        assert [one.passage_id for one in await index.query(rows[2], 1)] == [ids[2]]
        assert len(await index.query(old[0], 10)) == 8  # by the oracle


async def test_a_closed_index_answers_from_the_database(open_tenant: OpenTenant) -> None:
    async with open_tenant("museum", "memory") as handle:
        rows = vectors(3)
        ids = await store(handle.database, rows)
        index = await opened(handle)
        await index.close()
        await index.close()
        assert (await index.query(rows[1], 1))[0].passage_id == ids[1]


def files_with(needle: bytes, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


async def test_an_index_on_the_disk_is_removed(open_tenant: OpenTenant, tmp_path: Path) -> None:
    rows = vectors(30)
    async with open_tenant() as handle:
        ids = await store(handle.database, rows)
        await (await handle.index()).query(rows[0], 1)
        assert files_with(vector_bytes(rows[7])[:64], handle.folder / "chroma")
    async with open_tenant("museum", "memory") as handle:
        assert (await (await opened(handle)).query(rows[7], 1))[0].passage_id == ids[7]
        names = {path.name.partition("-")[0] for path in handle.folder.iterdir()}
        assert names <= {"tenant.sqlite", "blobs"}
    assert files_with(vector_bytes(rows[7])[:64], tmp_path) == []


async def test_a_folder_in_use_is_left_for_later(open_tenant: OpenTenant) -> None:
    rows = vectors(3)
    async with open_tenant() as handle:
        ids = await store(handle.database, rows)
        await handle.index()
    async with open_tenant("museum", "memory") as handle:
        lock = FolderLock(handle.folder / "chroma")
        try:
            assert (await (await opened(handle)).query(rows[1], 1))[0].passage_id == ids[1]
            assert (handle.folder / "chroma").is_dir()
        finally:
            lock.release()


@pytest.mark.engines
async def test_memory_and_disk_give_the_same_answers(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    questions = (
        "When does the museum open?",
        "Where do dogs have to wait?",
        "case zx11",
        "Who won the match?",
    )
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        await ingest(ingestion, handle, "hours.md", HOURS)
        await ingest(ingestion, handle, "dogs.md", DOGS)
        cases = b"\n\n".join(b"# Case %d\n\nHere stands object ZX%d, a vase." % (n, n) for n in range(30))
        await ingest(ingestion, handle, "cases.md", cases)
    answers = {}
    locations: tuple[IndexLocation, ...] = ("disk", "memory")
    for location in locations:
        async with open_tenant("museum", location) as handle:
            caller = Caller("museum", Priority.VOICE)
            found = [await Retriever(embedder).retrieve(handle, one, caller=caller) for one in questions]
            answers[location] = [(one.passages, one.answerable, one.relevance) for one in found]
    assert answers["memory"] == answers["disk"]
    assert [answerable for _, answerable, _ in answers["memory"]] == [True, True, True, False]
