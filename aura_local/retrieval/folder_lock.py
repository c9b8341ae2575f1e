"""Who uses an index folder, and what is raised when it cannot be used. Layer 2."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


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
