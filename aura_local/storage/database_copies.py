"""Copies of databases: made, given another key, checked. Layer 1.

Blocking; callers use a thread. What is in daily use goes through `database.Database`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlcipher3.dbapi2 as sqlcipher

from aura_local.errors import KeyUnavailable, StorageDamaged
from aura_local.storage.durable_files import create_private_file, sync_file
from aura_local.storage.sqlite_errors import (
    NOT_A_DATABASE,
    file_errors_translated,
    result_code,
    sqlite_errors_translated,
)


@contextmanager
def connected(path: Path, key: bytes | None) -> Iterator[Any]:
    """A bare connection in autocommit mode; `key` None: the file is not encrypted. Closed at the end.

    Raises KeyUnavailable where the key does not fit, and otherwise like `Database`.
    """
    with sqlite_errors_translated(path), file_errors_translated(path):
        connection = sqlcipher.connect(str(path), check_same_thread=False, isolation_level=None)
        try:
            if key is not None:
                connection.execute(f"PRAGMA key = {_literal(key)}")
            connection.execute("PRAGMA cipher_log_level = NONE")
            connection.execute("PRAGMA busy_timeout = 5000")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA secure_delete = ON")
            _try(connection, path, encrypted=key is not None)
            yield connection
        finally:
            connection.close()


def _try(connection: Any, path: Path, *, encrypted: bool) -> None:
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlcipher.DatabaseError as error:
        if result_code(error) != NOT_A_DATABASE or not encrypted:
            raise
        raise KeyUnavailable(f"{path} does not open with this key, or its beginning is damaged.") from error


def leave_log(connection: Any) -> None:
    """Write everything to the file itself and remove its log. Raises Busy while others have it open."""
    connection.execute("PRAGMA journal_mode = DELETE").fetchone()


def take_alone(connection: Any) -> None:
    """Keep every other process from opening the file until the connection is closed, its log removed.

    Raises Busy where another has it open.
    """
    connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
    leave_log(connection)
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("COMMIT")  # in this mode the lock outlives the transaction


def copy_to(connection: Any, target: Path) -> None:
    """A compact durable copy under the same key, in a file that does not exist yet."""
    create_private_file(target)
    connection.execute("VACUUM INTO ?", (str(target),))
    # VACUUM INTO does not promise to sync what it writes. https://sqlite.org/lang_vacuum.html
    sync_file(target)


def give_key(path: Path, old: bytes, new: bytes) -> None:
    """Encrypt a copy anew. Cut short, the copy opens with one of the two. Raises like `connected`."""
    with connected(path, old) as connection:
        connection.execute(f"PRAGMA rekey = {_literal(new)}")
    check(path, new)
    sync_file(path)


def check(path: Path, key: bytes | None) -> None:
    """Raise StorageDamaged unless every page is authentic and the database is sound; changes nothing."""
    try:
        with connected(path, key) as connection:
            findings = connection.execute("PRAGMA cipher_integrity_check").fetchall() if key else []
            findings += connection.execute("PRAGMA integrity_check").fetchall()
    except KeyUnavailable as error:
        raise StorageDamaged(f"{path} does not open with its key.") from error
    if findings != [("ok",)]:
        raise StorageDamaged(f"{path} does not pass its integrity check.")


def _literal(key: bytes) -> str:
    return f"\"x'{key.hex()}'\""
