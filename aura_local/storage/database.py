"""One encrypted SQLite file: one connection, one writer, durable on return. Layer 1.

Every job runs whole on a worker thread, transaction included, so that cancelling the caller can never
leave a transaction open: the job either never began or it commits (or rolls back) regardless.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import sqlcipher3.dbapi2 as sqlcipher
import sqlite_utils

from aura_local.errors import Busy, Conflict, KeyUnavailable, StorageDamaged, StorageUnavailable
from aura_local.storage.durable_files import (
    create_private_file,
    make_private_folder,
    sync_file,
    sync_folder,
)
from aura_local.storage.keys import KEY_BYTES, key_fits
from aura_local.storage.schema import Migration, applied_names, apply_migration, pending_migrations
from aura_local.storage.sqlite_errors import (
    BUSY,
    FULL,
    IO_ERROR,
    NOT_A_DATABASE,
    file_errors_translated,
    result_code,
    sqlite_errors_translated,
)

T = TypeVar("T")

OLDEST_SQLITE = (3, 51, 3)
"""Older libraries can corrupt a database when a write-ahead log is reset. https://sqlite.org/wal.html"""

BUSY_TIMEOUT_MS = 5_000
"""How long to wait for another process (`aura ingest` beside `aura serve`) to end its transaction."""

PAGE_CACHE_KIB = 1_024
"""Per open database; SQLite's own default of 8 MiB would be most of what an open tenant may use."""

_MIGRATION_FAILURES = (sqlcipher.Error, LookupError, RuntimeError, StorageDamaged, TypeError, ValueError)


class Database:
    """An open SQLCipher file. `read` and `write` wait for each other; waiting takes no thread.

    Both raise StorageDamaged for damage found on the way, Busy when another process holds the file for
    longer than `BUSY_TIMEOUT_MS`, StorageFull and StorageUnavailable for the disk; errors of the SQL itself
    (`sqlcipher3.dbapi2.IntegrityError` and the like) pass unchanged. Cancelled before it starts, a job does
    nothing; after that it is carried to its end first.
    """

    def __init__(self, path: Path, connection: sqlite_utils.Database, limiter: anyio.CapacityLimiter) -> None:
        """For `open` alone."""
        self.path = path
        self._connection: sqlite_utils.Database | None = connection
        self._limiter = limiter
        self._turn = anyio.Lock()
        # A task cancelled by asyncio itself (not by an anyio scope) stops waiting for its thread; the next
        # job must still not touch the connection before that thread is done.
        self._in_use = threading.Lock()

    def __repr__(self) -> str:
        return f"Database({str(self.path)!r})"

    @classmethod
    async def open(
        cls,
        path: Path,
        key: bytes,
        migrations: Sequence[Migration],
        *,
        limiter: anyio.CapacityLimiter | None = None,
    ) -> Database:
        """Open or create `path` with a raw 32-byte key, and bring its schema up to date.

        `limiter` bounds the threads that all databases sharing it use together (alone: one). Before pending
        migrations touch existing data a copy is written beside it; it is removed once the upgraded file
        passes its check. Raises KeyUnavailable for a wrong key, StorageDamaged for a damaged file or a
        failed migration (the message says where the copy is), StorageFull, and StorageUnavailable for data
        of a newer version or an unsafe SQLite library.
        """
        if len(key) != KEY_BYTES:
            raise KeyUnavailable(f"A database key must have {KEY_BYTES} bytes, not {len(key)}.")
        limiter = limiter or anyio.CapacityLimiter(1)
        connection = await anyio.to_thread.run_sync(_open, path, key, migrations, limiter=limiter)
        return cls(path, connection, limiter)

    async def read(self, query: Callable[[sqlite_utils.Database], T]) -> T:
        """Run `query` in a worker thread against one consistent state; it cannot write.

        It returns values: an open cursor or a generator would outlive the transaction (TypeError).
        """
        return await self._run(partial(_read, query))

    async def write(self, change: Callable[[sqlite_utils.Database], T]) -> T:
        """Run `change` in a worker thread inside BEGIN IMMEDIATE .. COMMIT; durable on return.

        Whatever `change` raises undoes it all. It must not commit by itself (RuntimeError).
        """
        return await self._run(partial(_transaction, "BEGIN IMMEDIATE", change))

    async def backup(self, target: Path) -> None:
        """Write a compact copy under the same key to `target`, whole or not at all.

        Raises Conflict if `target` exists. Reads and writes wait until it is done.
        """
        await self._run(partial(_back_up, target=target))

    async def compact(self) -> None:
        """Rewrite the file without what was deleted, and empty its log. Raises Busy.

        `secure_delete` overwrites deleted rows; only a rewrite is sure of what moved between pages.
        """
        await self._run(_compact)

    async def release_memory(self) -> None:
        """Give the page cache back; for a tenant nobody has used for a while."""
        await self._run(lambda connection: connection.conn.execute("PRAGMA shrink_memory").fetchall())

    async def close(self) -> None:
        """Close the file after the job in hand. Idempotent, and not cut short by cancellation."""
        with anyio.CancelScope(shield=True):
            async with self._turn:
                await anyio.to_thread.run_sync(self._close, limiter=self._limiter)

    async def _run(self, job: Callable[[sqlite_utils.Database], T]) -> T:
        async with self._turn:
            return await anyio.to_thread.run_sync(self._use, job, limiter=self._limiter)

    def _use(self, job: Callable[[sqlite_utils.Database], T]) -> T:
        with self._in_use, sqlite_errors_translated(self.path):
            if self._connection is None:
                raise StorageUnavailable("This database has been closed.")
            return job(self._connection)

    def _close(self) -> None:
        with self._in_use, sqlite_errors_translated(self.path):
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()


def _open(path: Path, key: bytes, migrations: Sequence[Migration]) -> sqlite_utils.Database:
    if sqlcipher.sqlite_version_info < OLDEST_SQLITE:
        raise StorageUnavailable(
            f"The SQLite library {sqlcipher.sqlite_version} can damage data: install sqlcipher3 with "
            f"SQLite {'.'.join(map(str, OLDEST_SQLITE))} or newer."
        )
    with file_errors_translated(path), sqlite_errors_translated(path):
        make_private_folder(path.parent)
        with suppress(FileExistsError):
            create_private_file(path)
        connection = sqlcipher.connect(str(path), check_same_thread=False, isolation_level=None)
        try:
            _unlock(connection, path, key)
            database = sqlite_utils.Database(connection, execute_plugins=False)
            _upgrade(database, path, migrations)
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
    return database


def _unlock(connection: Any, path: Path, key: bytes) -> None:
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    # SQLCipher would write its own lines to standard error; what they say, our errors say.
    connection.execute("PRAGMA cipher_log_level = NONE")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlcipher.DatabaseError as error:
        if result_code(error) != NOT_A_DATABASE:
            raise
        connection.close()
        if key_fits(path, key):
            raise StorageDamaged(f"The first page of {path} is damaged: restore a backup.") from error
        raise KeyUnavailable(
            f"{path} does not open with its key: the key belongs to other data (restore the right master "
            "key), or the beginning of the file is damaged (restore a backup)."
        ) from error
    (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if journal != "wal":
        raise StorageUnavailable(f"{path} is on a disk without shared memory: move it to a local disk.")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")


def _upgrade(database: sqlite_utils.Database, path: Path, migrations: Sequence[Migration]) -> None:
    pending = pending_migrations(database, migrations)
    if not pending:
        return
    copy = path.with_name(f"{path.name}.before-{pending[0].name}")
    kept = "nothing was there before"
    if applied_names(database):
        copy.unlink(missing_ok=True)
        _back_up(database, copy)
        kept = f"the data as it was is in {copy}"
    try:
        for migration in pending:
            apply_migration(database, migration)
        findings = database.conn.execute("PRAGMA quick_check").fetchone()
    except _MIGRATION_FAILURES as error:
        if isinstance(error, sqlcipher.Error) and result_code(error) in (FULL, IO_ERROR, BUSY):
            raise
        raise StorageDamaged(f"Upgrading {path} failed; {kept}.") from error
    if findings[0] != "ok":
        raise StorageDamaged(f"{path} does not pass its check after an upgrade; {kept}.")
    for leftover in path.parent.glob(f"{path.name}.before-*"):
        leftover.unlink()


def _read(query: Callable[[sqlite_utils.Database], T], database: sqlite_utils.Database) -> T:
    database.conn.execute("PRAGMA query_only = ON")
    try:
        return _transaction("BEGIN", query, database)
    finally:
        database.conn.execute("PRAGMA query_only = OFF")


def _transaction(
    begin: str, work: Callable[[sqlite_utils.Database], T], database: sqlite_utils.Database
) -> T:
    connection = database.conn
    connection.execute(begin)
    try:
        result = work(database)
        if isinstance(result, Iterator):
            raise TypeError("A database job returns values, not an open cursor or generator.")
        if not connection.in_transaction:
            raise RuntimeError("A database job must not end its own transaction.")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _compact(database: sqlite_utils.Database) -> None:
    database.conn.execute("VACUUM")
    (blocked, _, _) = database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if blocked:
        raise Busy("Another process is reading; what was deleted leaves the log once it has ended.")


def _back_up(database: sqlite_utils.Database, target: Path) -> None:
    if target.exists():
        raise Conflict(f"{target} exists already: name another file for the copy.")
    draft = target.with_name(f"{target.name}.partial")
    with file_errors_translated(target):
        draft.unlink(missing_ok=True)
        try:
            create_private_file(draft)
            database.conn.execute("VACUUM INTO ?", (str(draft),))
            # VACUUM INTO does not promise to sync what it writes. https://sqlite.org/lang_vacuum.html
            sync_file(draft)
            draft.rename(target)
            sync_folder(target.parent)
        finally:
            draft.unlink(missing_ok=True)
