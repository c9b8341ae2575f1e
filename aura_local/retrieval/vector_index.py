"""The nearest passages of one tenant: Chroma, and exact search where Chroma cannot.

The database is the truth and Chroma a cache of its vectors. `open_index` compares the two, adds and
deletes what a crash left different, and builds the folder anew on any doubt about it. An index that
fails later is put out of use until it is next opened; no search is ever lost to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from aura_local.errors import Conflict, StorageUnavailable
from aura_local.retrieval.chroma_folder import ChromaFolder, discard_folder
from aura_local.retrieval.exact_search import Match, exact_search
from aura_local.retrieval.folder_lock import FolderLock, IndexInUse, IndexUnusable
from aura_local.retrieval.labels import EVERYTHING, AccessClasses
from aura_local.retrieval.stored_vectors import newest_id, stored_classes, stored_vectors
from aura_local.storage.database import Database

if TYPE_CHECKING:
    from aura_local.storage.leases import TenantHandle

T = TypeVar("T")

_LOG: Final = logging.getLogger(__name__)
_KNOWN_ANSWERS: Final = 5
_ROWS_AT_ONCE: Final = 1_000
_NEAR: Final = 0.999


class VectorIndex:
    """The open index of one tenant. Methods may run concurrently; cancelling one lets its thread finish."""

    def __init__(
        self,
        database: Database,
        chroma: ChromaFolder | None = None,
        lock: FolderLock | None = None,
        newest_id: int = 0,
    ) -> None:
        """`chroma` None: exact search answers. `newest_id`: the last passage it holds. Use `open_index`."""
        self._database = database
        self._chroma = chroma
        self._lock = lock
        self._newest_id = newest_id
        # Two threads: a search need not wait for an insertion.
        self._threads = anyio.CapacityLimiter(2)

    @property
    def accelerated(self) -> bool:
        """Whether Chroma answers; else exact search does."""
        return self._chroma is not None

    async def add(self, passage_ids: Sequence[int], vectors: NDArray[np.float32], access_class: int) -> None:
        """Make passages findable that the database has already; shape (len(passage_ids), dimensions).

        `access_class`: of their document (`labels.access_class`).
        """
        if not passage_ids:
            return
        await self._change(lambda chroma: chroma.add(passage_ids, vectors, access_class))
        self._newest_id = max(self._newest_id, *passage_ids)

    async def relabel(self, passage_ids: Sequence[int], access_class: int) -> None:
        """Follow a document whose labels have changed in the database."""
        await self._change(lambda chroma: chroma.relabel(passage_ids, access_class))

    async def delete(self, passage_ids: Sequence[int]) -> None:
        """Forget passages that the database has no more."""
        await self._change(lambda chroma: chroma.delete(passage_ids))

    async def query(
        self, vector: NDArray[np.float32], limit: int, classes: AccessClasses = EVERYTHING
    ) -> list[Match]:
        """At most `limit` passages of these access classes, best first.

        `vector` has shape (dimensions,), L2-normalised. What another process has relabelled is found by its
        earlier class until the index is next opened, so whoever reads the passages looks at it again.
        """
        chroma, seen = self._chroma, self._newest_id
        if chroma is not None:
            try:
                near = await self._in_thread(lambda: chroma.query(vector, limit, classes))
            except IndexUnusable:
                await self._put_out_of_use()
            else:
                # Passages committed a moment ago, or by another process, are in the database before they are
                # here.
                if await newest_id(self._database) > seen:
                    new = await exact_search(self._database, vector, limit, classes, newer_than=seen)
                    best = {match.passage_id: match for match in [*near, *new]}
                    near = sorted(best.values(), key=lambda match: -match.similarity)[:limit]
                return near
        return await exact_search(self._database, vector, limit, classes)

    async def count(self) -> int:
        """Vectors that a search goes through."""
        chroma = self._chroma
        if chroma is not None:
            try:
                return await self._in_thread(chroma.count)
            except IndexUnusable:
                await self._put_out_of_use()
        return len(await stored_classes(self._database))

    async def close(self) -> None:
        """Close files and threads; idempotent, not cut short by cancellation."""
        with anyio.CancelScope(shield=True):
            await self._let_go()

    async def _change(self, change: Callable[[ChromaFolder], None]) -> None:
        chroma = self._chroma
        if chroma is None:
            return
        try:
            await self._in_thread(lambda: change(chroma))
        except IndexUnusable:
            await self._put_out_of_use()

    async def _put_out_of_use(self) -> None:
        if self._chroma is not None:
            _LOG.warning("vector index failed; exact search answers until the tenant is opened again")
        await self.close()

    async def _let_go(self) -> None:
        chroma, self._chroma = self._chroma, None
        lock, self._lock = self._lock, None
        try:
            if chroma is not None:
                await self._in_thread(chroma.close)
        except IndexUnusable:
            _LOG.warning("vector index did not close cleanly; it is compared again when next opened")
        finally:
            if lock is not None:
                lock.release()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._threads)


async def open_index(handle: TenantHandle) -> VectorIndex:
    """Open the tenant's index so that it holds exactly what the database holds.

    Never raises for a damaged, locked or missing index: exact search takes its place.
    """
    folder = handle.folder / "chroma"
    database = handle.database
    try:
        lock = FolderLock(folder)
    except IndexUnusable:
        _LOG.warning("vector index is used by another process or cannot be locked; exact search answers")
        return VectorIndex(database)
    try:
        newest = await newest_id(database)
        chroma = await _open_sound(folder, database)
    except IndexUnusable:
        _LOG.warning("vector index cannot be opened; exact search answers")
        lock.release()
        return VectorIndex(database)
    except BaseException:
        lock.release()
        raise
    return VectorIndex(database, chroma, lock, newest)


async def rebuild(handle: TenantHandle) -> int:
    """Throw the index away and build it from the database; returns the number of vectors.

    Raises `Conflict` while the index is open, here or in another process, `StorageUnavailable` when the
    disk does not take it.
    """
    folder = handle.folder / "chroma"
    try:
        lock = FolderLock(folder)
        try:
            chroma = await _build(folder, handle.database)
            count = await anyio.to_thread.run_sync(chroma.count)
            await anyio.to_thread.run_sync(chroma.close)
        finally:
            lock.release()
    except IndexInUse as error:
        raise Conflict("The vector index is in use: stop the server, then build it again.") from error
    except IndexUnusable as error:
        raise StorageUnavailable("The vector index cannot be written; see the free disk space.") from error
    return count


async def _open_sound(folder: Path, database: Database) -> ChromaFolder:
    try:
        chroma = await anyio.to_thread.run_sync(ChromaFolder, folder)
    except IndexUnusable:
        return await _build(folder, database)
    try:
        await _reconcile(chroma, database)
    except IndexUnusable:
        await _close_quietly(chroma)
        return await _build(folder, database)
    except BaseException:
        await _close_quietly(chroma)
        raise
    return chroma


async def _build(folder: Path, database: Database) -> ChromaFolder:
    await anyio.to_thread.run_sync(discard_folder, folder)
    chroma = await anyio.to_thread.run_sync(ChromaFolder, folder)
    try:
        await _reconcile(chroma, database)
    except BaseException:
        await _close_quietly(chroma)
        raise
    return chroma


async def _close_quietly(chroma: ChromaFolder) -> None:
    with anyio.CancelScope(shield=True):
        try:
            await anyio.to_thread.run_sync(chroma.close)
        except IndexUnusable:
            _LOG.warning("vector index did not close cleanly")


async def _reconcile(chroma: ChromaFolder, database: Database) -> None:
    """Bring the index to the database's state, and see that it answers."""
    stored = await stored_classes(database)
    for access_class in sorted(EVERYTHING):
        wanted = [passage_id for passage_id, one in stored.items() if one == access_class]
        await _reconcile_class(chroma, database, access_class, wanted)
    if await anyio.to_thread.run_sync(chroma.count) != len(stored):
        raise IndexUnusable("the index does not hold as many vectors as the database")
    await anyio.to_thread.run_sync(chroma.mark_sound)


async def _reconcile_class(
    chroma: ChromaFolder, database: Database, access_class: int, wanted: Sequence[int]
) -> None:
    """Make an access class hold the vectors of these passages alone, their ids ascending."""
    indexed = await anyio.to_thread.run_sync(chroma.ids, access_class)
    classes = frozenset({access_class})
    await anyio.to_thread.run_sync(chroma.delete, sorted(indexed.difference(wanted)), classes)
    missing = [passage_id for passage_id in wanted if passage_id not in indexed]
    for start in range(0, len(missing), _ROWS_AT_ONCE):
        ids, vectors = await stored_vectors(database, missing[start : start + _ROWS_AT_ONCE])
        await anyio.to_thread.run_sync(chroma.add, ids, vectors, access_class)
    step = max(1, len(wanted) // _KNOWN_ANSWERS)
    _, known = await stored_vectors(database, [*wanted[::step][:_KNOWN_ANSWERS], *wanted[-1:]])
    for vector in known:
        nearest = await anyio.to_thread.run_sync(chroma.query, vector, 1, classes)
        if not nearest or nearest[0].similarity < _NEAR:
            raise IndexUnusable("the index does not find a vector that it holds")
