"""The index against its oracle, and every way it can be wrong, gone or taken."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aura_local.errors import Conflict
from aura_local.retrieval.chroma_folder import ChromaFolder
from aura_local.retrieval.exact_search import exact_search, vector_bytes
from aura_local.retrieval.folder_lock import FolderLock, IndexInUse, IndexUnusable
from aura_local.retrieval.labels import Audience, access_class
from aura_local.retrieval.vector_index import VectorIndex, rebuild
from aura_local.storage.database import Database
from aura_local.storage.leases import TenantHandle
from tests.retrieval.conftest import OpenTenant

DIMENSIONS = 384
MEMBERS = access_class("members", "internal")
"""What `store` makes of passages when it is not told otherwise."""


def vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Clustered as texts are: around forty topics."""
    source = np.random.default_rng(seed)
    topics = np.random.default_rng(99).standard_normal((40, DIMENSIONS))
    raw = topics[source.integers(0, 40, count)] + 1.2 * source.standard_normal((count, DIMENSIONS))
    unit: NDArray[np.float32] = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    return unit


async def store(database: Database, rows: NDArray[np.float32], audience: Audience = "members") -> list[int]:
    """Put passages into the database only, of a document for each audience."""

    def write(connection: object) -> list[int]:
        connection.execute(  # type: ignore[attr-defined]
            "INSERT OR IGNORE INTO documents (id, name, media_type, sha256, size_bytes, status, created_at,"
            " updated_at, audience) VALUES (?, 'd', '', '', 0, 'indexed', '', '', ?)",
            [audience, audience],
        )
        return [
            connection.execute(  # type: ignore[attr-defined]
                "INSERT INTO passages (document_id, ordinal, text, vector) VALUES (?, 0, 't', ?)",
                [audience, vector_bytes(row)],
            ).lastrowid
            for row in rows
        ]

    return await database.write(write)


async def remove(database: Database, passage_id: int) -> None:
    await database.write(
        lambda connection: connection.execute("DELETE FROM passages WHERE id = ?", [passage_id]).rowcount
    )


async def opened(handle: TenantHandle) -> VectorIndex:
    index: VectorIndex = await handle.index()
    return index


async def answers_like_the_oracle(handle: TenantHandle, question: NDArray[np.float32]) -> bool:
    found = await (await opened(handle)).query(question, 5)
    expected = await exact_search(handle.database, question, 5)
    assert [one.similarity for one in found] == pytest.approx([one.similarity for one in expected], abs=1e-4)
    return [one.passage_id for one in found] == [one.passage_id for one in expected]


@pytest.mark.anyio
async def test_exact_search_is_exact(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        rows = vectors(300)
        ids = await store(handle.database, rows)
        await store(handle.database, np.ones((1, 8), np.float32))  # left by another embedder
        question = vectors(1, seed=5)[0]
        order = np.argsort(-(rows @ question))[:7]
        found = await exact_search(handle.database, question, 7)
        assert [one.passage_id for one in found] == [ids[n] for n in order]
        assert found[0].similarity == pytest.approx(float(rows[order[0]] @ question), abs=1e-6)


@pytest.mark.anyio
async def test_recall_at_ten_against_exact_search(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        await store(handle.database, vectors(1_500))
        index = await opened(handle)
        assert index.accelerated
        hits = 0
        for question in vectors(50, seed=1):
            found = {one.passage_id for one in await index.query(question, 10)}
            hits += len(found & {one.passage_id for one in await exact_search(handle.database, question, 10)})
        assert hits / 500 >= 0.97


@pytest.mark.anyio
async def test_added_deleted_and_reopened(open_tenant: OpenTenant) -> None:
    rows = vectors(20)
    async with open_tenant() as handle:
        index = await opened(handle)
        ids = await store(handle.database, rows)
        await index.add(ids, rows, MEMBERS)
        await index.add([], rows[:0], MEMBERS)
        assert (await index.query(rows[3], 1))[0].passage_id == ids[3]
        await remove(handle.database, ids[3])
        await index.delete([ids[3]])
        assert (await index.query(rows[3], 1))[0].passage_id != ids[3]
        assert await index.count() == 19
    async with open_tenant() as handle:
        assert await (await opened(handle)).count() == 19
        assert await answers_like_the_oracle(handle, rows[7])


@pytest.mark.anyio
async def test_passages_the_index_has_not_seen_are_found_at_once(open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        index = await opened(handle)
        rows = vectors(3)
        ids = await store(handle.database, rows)
        assert (await index.query(rows[1], 1))[0].passage_id == ids[1]


@pytest.mark.anyio
async def test_what_a_crash_left_different_is_made_equal(open_tenant: OpenTenant) -> None:
    rows = vectors(30)
    async with open_tenant() as handle:
        ids = await store(handle.database, rows[:20])
        assert await (await opened(handle)).count() == 20
        await store(handle.database, rows[20:])  # committed, but the process died before the index had them
        await remove(handle.database, ids[0])
    async with open_tenant() as handle:
        index = await opened(handle)
        assert index.accelerated
        assert await index.count() == 29
        assert all([await answers_like_the_oracle(handle, row) for row in rows[::5]])


def truncate_everything(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:50])


def swap_vectors_for_others(folder: Path) -> None:
    chroma = ChromaFolder(folder)
    ids = sorted(chroma.ids(MEMBERS))
    chroma.add(ids, vectors(len(ids), seed=77), MEMBERS)
    chroma.mark_sound()
    chroma.close()


def drop_tables(folder: Path) -> None:
    with sqlite3.connect(folder / "chroma.sqlite3") as connection:
        connection.execute("DROP TABLE collections")
    connection.close()


def make_as_an_earlier_version(folder: Path) -> None:
    """All vectors in one collection, without access classes."""
    import chromadb
    from chromadb.config import Settings

    shutil.rmtree(folder)
    client: Any = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    collection = client.create_collection("passages", embedding_function=None)
    collection.upsert(ids=["1", "2"], embeddings=vectors(2))
    client.close()


def mark_as_fatal(folder: Path) -> None:
    folder.with_name("chroma.opening").touch()
    truncate_everything(folder)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "damage",
    [
        truncate_everything,
        swap_vectors_for_others,
        drop_tables,
        shutil.rmtree,
        mark_as_fatal,
        make_as_an_earlier_version,
    ],
)
async def test_a_doubtful_index_is_built_anew(
    open_tenant: OpenTenant, damage: object, recwarn: pytest.WarningsRecorder
) -> None:
    rows = vectors(40)
    async with open_tenant() as handle:
        await store(handle.database, rows)
        assert await (await opened(handle)).count() == 40
        folder = handle.folder / "chroma"
    damage(folder)  # type: ignore[operator]
    async with open_tenant() as handle:
        index = await opened(handle)
        assert index.accelerated
        assert all([await answers_like_the_oracle(handle, row) for row in rows[::8]])
        assert not folder.with_name("chroma.opening").exists()
        assert not folder.with_name("chroma.discarded").exists()


@pytest.mark.anyio
async def test_exact_search_answers_while_another_process_holds_the_index(open_tenant: OpenTenant) -> None:
    rows = vectors(10)
    async with open_tenant() as handle:
        ids = await store(handle.database, rows)
        held = FolderLock(handle.folder / "chroma")
        with pytest.raises(IndexInUse):
            FolderLock(handle.folder / "chroma")
        index = await opened(handle)
        assert not index.accelerated
        assert (await index.query(rows[4], 1))[0].passage_id == ids[4]
        assert await index.count() == 10
        await index.add(ids, rows, MEMBERS)
        await index.delete(ids)
        with pytest.raises(Conflict):
            await rebuild(handle)
        held.release()
        assert await rebuild(handle) == 10
    async with open_tenant() as handle:
        assert (await opened(handle)).accelerated


class FailingChroma:
    """An index whose disk has filled up: measured to fail its reads as well as its writes."""

    closed = False

    def fail(self, *_arguments: object) -> None:
        raise IndexUnusable("disk full")

    query = count = add = relabel = delete = fail

    def close(self) -> None:
        self.closed = True


@pytest.mark.anyio
@pytest.mark.parametrize("operation", ["query", "count", "add", "relabel", "delete"])
async def test_an_index_that_fails_later_is_put_out_of_use(open_tenant: OpenTenant, operation: str) -> None:
    rows = vectors(10)
    async with open_tenant() as handle:
        ids = await store(handle.database, rows)
        chroma = FailingChroma()
        lock = FolderLock(handle.folder / "chroma")
        index = VectorIndex(handle.database, chroma, lock, newest_id=ids[-1])  # type: ignore[arg-type]
        if operation == "query":
            assert (await index.query(rows[2], 1))[0].passage_id == ids[2]
        elif operation == "count":
            assert await index.count() == 10
        elif operation == "add":
            await index.add(ids, rows, MEMBERS)
        elif operation == "relabel":
            await index.relabel(ids, MEMBERS)
        else:
            await index.delete(ids)
        assert chroma.closed
        assert not index.accelerated
        FolderLock(handle.folder / "chroma").release()  # it is free again
        assert (await index.query(rows[2], 1))[0].passage_id == ids[2]
        await index.close()
        await index.close()
