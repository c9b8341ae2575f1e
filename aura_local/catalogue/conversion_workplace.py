"""A folder beside the models in which a conversion works; it goes away with it. Layer 2.

Not the system's folder for temporary files: that is often memory, and weights are large.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aura_local.storage.durable_files import make_private_folder
from aura_local.storage.sqlite_errors import file_errors_translated

_PREFIX: Final = ".converting-"
_LOCK: Final = ".lock"


@contextmanager
def workplace(models: Path) -> Iterator[Path]:
    """An empty folder in `models`. Blocks. Those of processes that were killed are removed first.

    Raises `StorageUnavailable` and `StorageFull`.
    """
    with file_errors_translated(models):
        make_private_folder(models)
        _sweep(models)
        folder, lock = _locked(models)
    try:
        inside = folder / "work"
        inside.mkdir()
        yield inside
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(models: Path) -> tuple[Path, int]:
    """A new folder, and the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=models))
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / _LOCK).exists():
            return folder, lock
        os.close(lock)  # swept by another process before it was held


def _sweep(models: Path) -> None:
    for left in models.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(left / _LOCK, os.O_RDWR)
        except OSError:
            continue  # being made, or gone
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except OSError:
            pass  # at work
        finally:
            os.close(lock)
