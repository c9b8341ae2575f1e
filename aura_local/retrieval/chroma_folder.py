"""One Chroma index on disk: ids and vectors, nothing else. Blocking; callers use a thread.

Chroma has no lock of its own, and two processes on one folder lose vectors for good without an error;
so every open folder holds an exclusive `flock` on a file beside it. A damaged folder can end the whole
process while it is loaded; a mark beside the folder tells the next start not to load it again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aura_local.retrieval.exact_search import Match
from aura_local.retrieval.index_remains import blank_remains

BATCH_VECTORS: Final = 100
"""Vectors per insertion: about 0.1 s, so that a search in between does not wait long."""

_CONFIGURATION: Final[dict[str, Any]] = {
    # Recall@10 against exact search is 1.00 on 10,000 clustered vectors; a search takes about 2 ms.
    "hnsw": {"space": "cosine", "ef_search": 200, "ef_construction": 100, "max_neighbors": 16}
}


class IndexUnusable(Exception):
    """The index cannot be opened or has failed; the database still has every vector."""


class IndexInUse(IndexUnusable):
    """Another process holds the folder."""


class FolderLock:
    """Exclusive use of one index folder, also against other processes. Held until `release`."""

    def __init__(self, folder: Path) -> None:
        """Raises `IndexInUse` at once where another holder exists, `IndexUnusable` without disk space."""
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise IndexUnusable("the lock file cannot be made") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise IndexInUse("another process uses this index") from error
        self._held = True

    def release(self) -> None:
        """Idempotent."""
        if self._held:
            self._held = False
            os.close(self._descriptor)


class ChromaFolder:
    """An open index. Every method raises `IndexUnusable` for whatever Chroma raises."""

    def __init__(self, folder: Path) -> None:
        """Open or create. The caller holds the folder's `FolderLock`."""
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
                self._collection: Any = client.get_or_create_collection(
                    "passages", embedding_function=None, configuration=_CONFIGURATION
                )
            except BaseException:
                client.close()
                raise
            self._client = client

    def mark_sound(self) -> None:
        """Say that the index has been loaded and has answered."""
        with _translated():
            blank_remains(self._folder)
        self._opening.unlink(missing_ok=True)

    def ids(self) -> set[int]:
        with _translated():
            return {int(name) for name in self._collection.get(include=[])["ids"]}

    def count(self) -> int:
        with _translated():
            return int(self._collection.count())

    def add(self, ids: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Insert or replace vectors, shape (len(ids), dimensions)."""
        with _translated():
            for start in range(0, len(ids), BATCH_VECTORS):
                part = slice(start, start + BATCH_VECTORS)
                self._collection.upsert(ids=[str(one) for one in ids[part]], embeddings=vectors[part])
            # The first vectors make the files.
            blank_remains(self._folder)

    def delete(self, ids: Sequence[int]) -> None:
        """Remove vectors; ids that are not there are fine."""
        with _translated():
            for start in range(0, len(ids), BATCH_VECTORS):
                self._collection.delete(ids=[str(one) for one in ids[start : start + BATCH_VECTORS]])

    def query(self, vector: NDArray[np.float32], limit: int) -> list[Match]:
        with _translated():
            answer = self._collection.query(
                query_embeddings=vector[np.newaxis], n_results=limit, include=["distances"]
            )
            found = zip(answer["ids"][0], answer["distances"][0], strict=True)
            return [Match(int(name), 1.0 - float(distance)) for name, distance in found]

    def close(self) -> None:
        """Release files and threads; dropping the object would leak them."""
        with _translated():
            self._client.close()
            blank_remains(self._folder)


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


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    # Chroma raises its own errors, SQLite's, those of its Rust core, and plain ValueError and KeyError.
    try:
        yield
    except IndexUnusable:
        raise
    except Exception as error:
        raise IndexUnusable(type(error).__name__) from error
