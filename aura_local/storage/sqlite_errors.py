"""What SQLite's failures mean to the person who runs AURA Local. Layer 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlcipher3.dbapi2 as sqlcipher

from aura_local.errors import Busy, StorageDamaged, StorageFull, StorageUnavailable
from aura_local.storage.durable_files import cannot_grow

# Primary result codes, https://sqlite.org/rescode.html
BUSY = 5
LOCKED = 6
READ_ONLY = 8
IO_ERROR = 10
CORRUPT = 11
FULL = 13
CANNOT_OPEN = 14
NOT_A_DATABASE = 26


def result_code(error: sqlcipher.Error) -> int | None:
    """SQLite's primary result code; None for an error that the driver itself raised."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@contextmanager
def sqlite_errors_translated(path: Path) -> Iterator[None]:
    """Turn failures of the file `path` into ours. Errors of the SQL (constraints, syntax) pass unchanged."""
    try:
        yield
    except sqlcipher.Error as error:
        code = result_code(error)
        if code in (BUSY, LOCKED):
            raise Busy(f"Another process is writing to {path}.") from error
        if code == FULL or (code == IO_ERROR and _is_full(path)):
            raise StorageFull(f"There is no space left to write {path}.") from error
        if code in (CORRUPT, NOT_A_DATABASE):
            raise StorageDamaged(f"{path} is damaged: restore a backup.") from error
        if code in (IO_ERROR, CANNOT_OPEN, READ_ONLY):
            raise StorageUnavailable(f"{path} cannot be read or written.") from error
        raise


@contextmanager
def file_errors_translated(path: Path) -> Iterator[None]:
    """Turn failures of the operating system while working on `path` into ours."""
    try:
        yield
    except OSError as error:
        if _is_full(path):
            raise StorageFull(f"There is no space left to write {path}.") from error
        raise StorageUnavailable(f"{path} cannot be used: {error.strerror}.") from error


def _is_full(path: Path) -> bool:
    return cannot_grow(path) or cannot_grow(path.with_name(f"{path.name}-wal"))
