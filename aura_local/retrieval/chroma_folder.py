"""One Chroma index on disk: ids and vectors, nothing else. Blocking; callers use a thread. Layer 2.

A collection for each access class, so that a search goes through the vectors of the classes it may find
and no others. Chroma's own filter by metadata costs 15 to 45 ms a search of 20,000 vectors, 100 ms at
worst; a collection costs 1 ms.

Chroma has no lock of its own, and two processes on one folder lose vectors for good without an error;
so every open folder holds an exclusive `flock` (`folder_lock.py`). A damaged folder can end the whole
process while it is loaded; a mark beside the folder tells the next start not to load it again.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aura_local.retrieval.exact_search import Match
from aura_local.retrieval.folder_lock import IndexUnusable
from aura_local.retrieval.index_remains import blank_remains
from aura_local.retrieval.labels import EVERYTHING, AccessClasses

BATCH_VECTORS: Final = 100
"""Vectors per insertion: about 0.1 s, so that a search in between does not wait long."""

_NAMES: Final = {access_class: f"access-class-{access_class}" for access_class in sorted(EVERYTHING)}
_CONFIGURATION: Final[dict[str, Any]] = {
    # Recall@10 against exact search is 0.9997 on 20,000 sentences of real text; a search takes about 1 ms.
    "hnsw": {"space": "cosine", "ef_search": 200, "ef_construction": 100, "max_neighbors": 16}
}


class ChromaFolder:
    """An open index. Every method raises `IndexUnusable` for whatever Chroma raises."""

    def __init__(self, folder: Path) -> None:
        """Open or create. The caller holds the folder's `FolderLock`.

        Raises `IndexUnusable` also for a folder that is made in another way, as by an earlier version.
        """
        self._folder = folder
        self._opening = folder.with_name(f"{folder.name}.opening")
        with _translated():
            if self._opening.exists():
                raise IndexUnusable("the index ended an earlier process while it was loaded")
            self._opening.touch()
            import chromadb
            from chromadb.api.shared_system_client import SharedSystemClient
            from chromadb.config import Settings

            settings = Settings(anonymized_telemetry=False)
            try:
                client: Any = chromadb.PersistentClient(str(folder), settings=settings)
            except BaseException:
                # Chroma keeps what it failed to start under the folder's name, and would hand it out again.
                SharedSystemClient._identifier_to_system.pop(str(folder), None)
                raise
            try:
                self._collections = _collections_of(client)
            except BaseException:
                client.close()
                raise
            self._client = client

    def mark_sound(self) -> None:
        """Say that the index has been loaded and has answered."""
        with _translated():
            blank_remains(self._folder)
        self._opening.unlink(missing_ok=True)

    def ids(self, access_class: int) -> set[int]:
        """Of the vectors of one class."""
        collection = self._collections.get(access_class)
        if collection is None:
            return set()
        with _translated():
            return {int(name) for name in collection.get(include=[])["ids"]}

    def count(self) -> int:
        with _translated():
            return sum(int(collection.count()) for collection in self._collections.values())

    def add(self, ids: Sequence[int], vectors: NDArray[np.float32], access_class: int) -> None:
        """Insert vectors, shape (len(ids), dimensions), or replace those of this class."""
        if not ids:
            return
        with _translated():
            collection = self._collections.get(access_class) or self._make_collection(access_class)
            for part in _batches(len(ids)):
                collection.upsert(ids=[str(one) for one in ids[part]], embeddings=vectors[part])
            # The first vectors make the files.
            blank_remains(self._folder)

    def relabel(self, ids: Sequence[int], access_class: int) -> None:
        """Move vectors to another class; ids that are not there are fine."""
        others = EVERYTHING - {access_class}
        with _translated():
            for collection in self._chosen(others):
                for part in _batches(len(ids)):
                    names = [str(one) for one in ids[part]]
                    found = collection.get(ids=names, include=["embeddings"])
                    moved = [int(name) for name in found["ids"]]
                    self.add(moved, np.asarray(found["embeddings"], np.float32), access_class)
        # Found by both classes for a moment, rather than by neither.
        self.delete(ids, others)

    def delete(self, ids: Sequence[int], classes: AccessClasses = EVERYTHING) -> None:
        """Remove vectors of these classes; ids that are not there are fine."""
        with _translated():
            for collection in self._chosen(classes):
                for part in _batches(len(ids)):
                    collection.delete(ids=[str(one) for one in ids[part]])

    def query(
        self, vector: NDArray[np.float32], limit: int, classes: AccessClasses = EVERYTHING
    ) -> list[Match]:
        """At most `limit` vectors of these classes, best first."""
        with _translated():
            # By id: a vector that is on its way to another class is in both for a moment.
            near: dict[int, float] = {}
            for collection in self._chosen(classes):
                answer = collection.query(
                    query_embeddings=vector[np.newaxis], n_results=limit, include=["distances"]
                )
                for name, distance in zip(answer["ids"][0], answer["distances"][0], strict=True):
                    near[int(name)] = 1.0 - float(distance)
        ranked = sorted(near, key=lambda passage_id: (-near[passage_id], passage_id))
        return [Match(passage_id, near[passage_id]) for passage_id in ranked[:limit]]

    def close(self) -> None:
        """Release files and threads; dropping the object would leak them."""
        with _translated():
            self._client.close()
            blank_remains(self._folder)

    def _make_collection(self, access_class: int) -> Any:
        collection = self._client.create_collection(
            _NAMES[access_class], embedding_function=None, configuration=_CONFIGURATION
        )
        # Replaced as a whole: a search in another thread goes through the dictionary it began with.
        self._collections = {**self._collections, access_class: collection}
        return collection

    def _chosen(self, classes: AccessClasses) -> list[Any]:
        return [collection for one, collection in self._collections.items() if one in classes]


def discard_folder(folder: Path) -> None:
    """Move an index aside, so that it is gone in one step, and remove it. The caller holds the lock.

    Raises `IndexUnusable` when the disk does not let it go.
    """
    with _translated():
        aside = folder.with_name(f"{folder.name}.discarded")
        shutil.rmtree(aside, ignore_errors=True)
        if folder.exists():
            folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
        folder.with_name(f"{folder.name}.opening").unlink(missing_ok=True)


def _collections_of(client: Any) -> dict[int, Any]:
    """By access class."""
    there = {str(collection.name) for collection in client.list_collections()}
    if not there <= set(_NAMES.values()):
        raise IndexUnusable("the index is made in another way")
    return {
        access_class: client.get_collection(name, embedding_function=None)
        for access_class, name in _NAMES.items()
        if name in there
    }


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, start + BATCH_VECTORS) for start in range(0, count, BATCH_VECTORS))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    # Chroma raises its own errors, SQLite's, those of its Rust core, and plain ValueError and KeyError.
    try:
        yield
    except IndexUnusable:
        raise
    except Exception as error:
        raise IndexUnusable(type(error).__name__) from error
