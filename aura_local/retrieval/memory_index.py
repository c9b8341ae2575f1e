"""The nearest passages of one tenant from memory: nothing of the index is ever on the disk.

Chroma's folder is not encrypted, and vectors tell much of the text they were made from. Here the vectors
are read from the encrypted tenant file when the index opens, four bytes a number: 1.5 MB for 1,000
passages of 384 dimensions. Every search compares with all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from aura_local.retrieval.chroma_folder import discard_folder
from aura_local.retrieval.exact_search import Match, exact_search
from aura_local.retrieval.folder_lock import FolderLock, IndexUnusable
from aura_local.retrieval.labels import EVERYTHING, AccessClasses
from aura_local.retrieval.stored_vectors import newest_id, stored_classes, stored_vectors
from aura_local.storage.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from aura_local.storage.leases import TenantHandle

_LOG: Final = logging.getLogger(__name__)
_ROWS_AT_ONCE: Final = 1_000
_NOT_AMONG: Final = -2.0
"""Below every cosine."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a search goes through; replaced as a whole, so that a running search keeps its own."""

    ids: NDArray[np.int64]
    """Ascending."""
    classes: NDArray[np.int8]
    """Access classes, shape (len(ids),)."""
    matrix: NDArray[np.float32]
    """Shape (len(ids), dimensions), L2-normalised."""

    def nearest(self, vector: NDArray[np.float32], limit: int, classes: AccessClasses) -> list[Match]:
        similarities = self.matrix @ vector
        if not classes >= EVERYTHING:
            similarities[~np.isin(self.classes, sorted(classes))] = _NOT_AMONG
        order = np.argsort(-similarities, kind="stable")[:limit]
        near = order[similarities[order] > _NOT_AMONG]
        return [Match(int(self.ids[row]), float(similarities[row])) for row in near]

    def with_vectors(self, ids: Sequence[int], vectors: NDArray[np.float32], access_class: int) -> _Rows:
        kept = self.without(ids)
        joined = np.concatenate([kept.ids, np.asarray(ids, np.int64)])
        classes = np.concatenate([kept.classes, np.full(len(ids), access_class, np.int8)])
        order = np.argsort(joined, kind="stable")
        return _Rows(joined[order], classes[order], np.concatenate([kept.matrix, vectors])[order])

    def relabelled(self, ids: Sequence[int], access_class: int) -> _Rows:
        chosen = np.isin(self.ids, np.asarray(ids, np.int64))
        return replace(self, classes=np.where(chosen, access_class, self.classes).astype(np.int8))

    def without(self, ids: Sequence[int]) -> _Rows:
        kept = ~np.isin(self.ids, np.asarray(ids, np.int64))
        return self if kept.all() else _Rows(self.ids[kept], self.classes[kept], self.matrix[kept])


class MemoryIndex:
    """The open index of one tenant, with the methods of `VectorIndex`. Methods may run concurrently."""

    accelerated = False
    """Every vector is compared."""

    def __init__(self, database: Database, rows: _Rows, newest: int) -> None:
        """`newest`: the last passage that `rows` has seen. Use `open_memory_index`."""
        self._database = database
        self._rows = rows
        self._newest_id = newest
        self._changing = anyio.Lock()

    async def add(self, passage_ids: Sequence[int], vectors: NDArray[np.float32], access_class: int) -> None:
        """Make passages findable that the database has already; shape (len(passage_ids), dimensions).

        `access_class`: of their document (`labels.access_class`).
        """
        if not passage_ids:
            return
        async with self._changing:
            rows = self._rows
            if len(rows.ids) and rows.matrix.shape[1] != vectors.shape[1]:
                rows = _no_rows()  # another embedder's, which no question can be compared with any more
            rows = rows if len(rows.ids) else _no_rows(vectors.shape[1])
            self._rows = await anyio.to_thread.run_sync(rows.with_vectors, passage_ids, vectors, access_class)
            self._newest_id = max(self._newest_id, *passage_ids)

    async def relabel(self, passage_ids: Sequence[int], access_class: int) -> None:
        """Follow a document whose labels have changed in the database."""
        async with self._changing:
            self._rows = await anyio.to_thread.run_sync(self._rows.relabelled, passage_ids, access_class)

    async def delete(self, passage_ids: Sequence[int]) -> None:
        """Forget passages that the database has no more."""
        async with self._changing:
            self._rows = await anyio.to_thread.run_sync(self._rows.without, passage_ids)

    async def query(
        self, vector: NDArray[np.float32], limit: int, classes: AccessClasses = EVERYTHING
    ) -> list[Match]:
        """At most `limit` passages of these access classes, best first; as `VectorIndex.query`."""
        newest = await newest_id(self._database)
        rows = self._rows
        # Passages committed a moment ago, or by another process, are in the database before they are here.
        if newest > self._newest_id or rows.matrix.shape[1] != vector.size:
            return await exact_search(self._database, vector, limit, classes)
        return await anyio.to_thread.run_sync(rows.nearest, vector, limit, classes)

    async def count(self) -> int:
        """Vectors that a search goes through."""
        return len(self._rows.ids)

    async def close(self) -> None:
        """Forget the vectors; idempotent."""
        self._rows = _no_rows()
        self._newest_id = -1


async def open_memory_index(handle: TenantHandle) -> MemoryIndex:
    """Read the tenant's vectors into memory, and remove what an index on the disk has left."""
    await anyio.to_thread.run_sync(_remove_folder, handle.folder / "chroma")
    database = handle.database
    newest = await newest_id(database)
    stored = await stored_classes(database)
    wanted = list(stored)
    parts = [
        await stored_vectors(database, wanted[start : start + _ROWS_AT_ONCE])
        for start in range(0, len(wanted), _ROWS_AT_ONCE)
    ]
    if not parts:
        return MemoryIndex(database, _no_rows(), newest)
    ids = [passage_id for part in parts for passage_id in part[0]]
    classes = np.array([stored[passage_id] for passage_id in ids], np.int8)
    matrix = np.concatenate([part[1] for part in parts])
    return MemoryIndex(database, _Rows(np.array(ids, np.int64), classes, matrix), newest)


def _no_rows(dimensions: int = 0) -> _Rows:
    return _Rows(np.empty(0, np.int64), np.empty(0, np.int8), np.empty((0, dimensions), np.float32))


def _remove_folder(folder: Path) -> None:
    remains = [
        folder,
        *(folder.with_name(f"{folder.name}.{end}") for end in ("opening", "discarded", "lock")),
    ]
    if not any(path.exists() for path in remains):
        return
    try:
        lock = FolderLock(folder)
        try:
            discard_folder(folder)
            folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)
        finally:
            lock.release()
    except (IndexUnusable, OSError):
        _LOG.warning("the vector index on the disk is in use or cannot be removed; it is tried again later")
