"""Acknowledged means durable, failed means undone, and nothing readable reaches the disk."""

# ruff: noqa: ASYNC240 - a test has the loop to itself
from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
import sqlcipher3.dbapi2 as sqlcipher
import sqlite_utils

from aura_local.errors import (
    Busy,
    Conflict,
    KeyUnavailable,
    StorageDamaged,
    StorageUnavailable,
)
from aura_local.storage.database import Database
from aura_local.storage.schema import Migration

pytestmark = pytest.mark.anyio

KEY = bytes(range(32))
CANARY = "canary-2f61c0de-in-plain-text"


def create_notes(database: sqlite_utils.Database) -> None:
    database.conn.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT")


def add_colour(database: sqlite_utils.Database) -> None:
    database.conn.execute("ALTER TABLE notes ADD COLUMN colour TEXT")


FIRST = [Migration("0001_notes", create_notes)]
SECOND = [*FIRST, Migration("0002_colour", add_colour)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "notes.sqlite"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = await Database.open(path, KEY, FIRST)
    yield database
    await database.close()


async def add(database: Database, text: str) -> None:
    await database.write(
        lambda rows: rows.conn.execute("INSERT INTO notes (text) VALUES (?)", (text,)) and None
    )


async def texts(database: Database) -> list[str]:
    return await database.read(
        lambda rows: [row["text"] for row in rows.query("SELECT text FROM notes ORDER BY id")]
    )


async def test_safe_settings_are_in_force(database: Database, path: Path) -> None:
    def pragmas(rows: sqlite_utils.Database) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "temp_store", "mmap_size")
        return {name: rows.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in names}

    assert await database.write(pragmas) == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "temp_store": 2,
        "mmap_size": 0,
    }
    await add(database, "a row, so that the log exists")
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_nothing_readable_is_on_disk(database: Database, path: Path) -> None:
    await add(database, CANARY)
    await database.backup(path.parent / "copy.sqlite")
    files = list(path.parent.iterdir())
    assert len(files) == 4  # database, log, shared memory, copy
    for file in files:
        content = file.read_bytes()
        assert CANARY.encode() not in content
        assert b"SQLite format" not in content


async def test_a_failed_change_is_undone_as_a_whole(database: Database) -> None:
    def change(rows: sqlite_utils.Database) -> None:
        rows.table("notes").insert({"text": "inside"})  # sqlite-utils commits nothing by itself here
        rows.conn.execute("INSERT INTO notes (text) VALUES ('also inside')")
        raise LookupError("no")

    with pytest.raises(LookupError):
        await database.write(change)
    assert await texts(database) == []
    await add(database, "after")
    with pytest.raises(sqlcipher.IntegrityError):
        await add(database, "after")
    assert await texts(database) == ["after"]


async def test_a_job_keeps_to_its_transaction(database: Database) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        await database.write(lambda rows: rows.conn.execute("COMMIT") and None)
    with pytest.raises(TypeError, match="cursor"):
        await database.read(lambda rows: rows.query("SELECT 1"))
    with pytest.raises(StorageUnavailable):
        await database.read(lambda rows: rows.conn.execute("INSERT INTO notes (text) VALUES ('x')") and None)
    await add(database, "still usable")
    assert await texts(database) == ["still usable"]


async def test_concurrent_writes_and_reads(database: Database) -> None:
    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(add, database, f"row {number}")
            group.start_soon(texts, database)
    assert sorted(await texts(database)) == sorted(f"row {number}" for number in range(100))


@pytest.mark.parametrize("native", [False, True], ids=["scope", "task.cancel"])
async def test_cancellation_in_mid_write_leaves_no_open_transaction(database: Database, native: bool) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(rows: sqlite_utils.Database) -> None:
        rows.conn.execute("INSERT INTO notes (text) VALUES ('slow')")
        started.set()
        assert go_on.wait(10)

    async def write() -> None:
        with scope:
            await database.write(slow)

    scope = anyio.CancelScope()
    task = asyncio.create_task(write())
    assert await asyncio.to_thread(started.wait, 10)
    if native:
        task.cancel()
    else:
        scope.cancel()
    next_write = asyncio.create_task(add(database, "next"))
    for _ in range(50):  # time enough for the next write to come in between, if it could
        await asyncio.to_thread(int)
    assert not next_write.done()
    go_on.set()
    await asyncio.wait([task])
    await next_write
    assert await texts(database) == ["slow", "next"]


async def test_cancelled_before_its_turn_a_write_does_nothing(database: Database) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await add(database, "never")
    assert scope.cancelled_caught
    assert await texts(database) == []


async def test_wrong_key_is_told_from_damage(database: Database, path: Path) -> None:
    for number in range(50):
        await add(database, f"{number} " + "x" * 2000)
    await database.close()
    await database.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        await texts(database)
    with pytest.raises(KeyUnavailable, match="key"):
        await Database.open(path, b"\x07" * 32, FIRST)
    with pytest.raises(KeyUnavailable, match="32 bytes"):
        await Database.open(path, b"short", FIRST)

    whole = path.read_bytes()
    for position, message in ((100, "first page"), (3 * 4096 + 100, "damaged")):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(StorageDamaged, match=message):
            await read_all(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StorageDamaged, match="damaged"):
        await read_all(path)


async def read_all(path: Path) -> list[str]:
    database = await Database.open(path, KEY, FIRST)
    try:
        return await texts(database)
    finally:
        await database.close()


async def test_an_upgrade_makes_a_copy_and_removes_it_when_all_is_well(path: Path) -> None:
    database = await Database.open(path, KEY, FIRST)
    await add(database, "old")
    await database.close()
    seen: list[list[str]] = []

    def look(rows: sqlite_utils.Database) -> None:
        seen.append(sorted(file.name for file in path.parent.glob("*.before-*")))

    database = await Database.open(path, KEY, [*SECOND, Migration("0003_look", look)])
    assert seen == [["notes.sqlite.before-0002_colour"]]
    assert list(path.parent.glob("*.before-*")) == []
    assert await database.read(lambda rows: list(rows.query("SELECT * FROM notes"))) == [
        {"id": 1, "text": "old", "colour": None}
    ]
    await database.close()


async def test_a_failed_upgrade_keeps_the_copy_and_says_where(path: Path) -> None:
    database = await Database.open(path, KEY, FIRST)
    await add(database, "old")
    await database.close()

    def half(rows: sqlite_utils.Database) -> None:
        rows.conn.execute("DELETE FROM notes")
        rows.conn.execute("ALTER TABLE missing ADD COLUMN colour TEXT")

    copy = path.with_name("notes.sqlite.before-0002_half")
    with pytest.raises(StorageDamaged, match="before-0002_half"):
        await Database.open(path, KEY, [*FIRST, Migration("0002_half", half)])
    for file in (path, copy):  # the step was undone, and the copy is whole
        database = await Database.open(file, KEY, FIRST)
        assert await texts(database) == ["old"]
        await database.close()


async def test_a_migration_may_not_leave_a_dangling_reference(path: Path) -> None:
    def dangle(rows: sqlite_utils.Database) -> None:
        rows.conn.execute("CREATE TABLE child (note INTEGER REFERENCES notes(id))")
        rows.conn.execute("INSERT INTO child VALUES (99)")

    with pytest.raises(StorageDamaged):
        await Database.open(path, KEY, [*FIRST, Migration("0002_dangle", dangle)])
    database = await Database.open(path, KEY, FIRST)
    assert await database.read(lambda rows: rows.table("child").exists()) is False
    await database.close()


async def test_data_of_a_newer_version_is_refused(path: Path) -> None:
    await (await Database.open(path, KEY, SECOND)).close()
    before = path.read_bytes()
    with pytest.raises(StorageUnavailable, match=r"newer version.*0002_colour"):
        await Database.open(path, KEY, FIRST)
    assert path.read_bytes() == before


async def test_an_unsafe_sqlite_library_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlcipher, "sqlite_version_info", (3, 51, 2))
    with pytest.raises(StorageUnavailable, match=r"3\.51\.3"):
        await Database.open(path, KEY, FIRST)
    assert not path.exists()


async def test_a_backup_is_whole_encrypted_and_never_overwrites(database: Database, tmp_path: Path) -> None:
    await add(database, "kept")
    target = tmp_path / "copy.sqlite"
    await database.backup(target)
    with pytest.raises(Conflict):
        await database.backup(target)
    with pytest.raises(StorageUnavailable):
        await database.backup(tmp_path / "missing" / "copy.sqlite")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    copy = await Database.open(target, KEY, FIRST)
    assert await texts(copy) == ["kept"]
    await copy.close()


async def test_another_process_in_mid_write_is_busy(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aura_local.storage.database.BUSY_TIMEOUT_MS", 20)
    other = await Database.open(path, KEY, FIRST)
    started, go_on = threading.Event(), threading.Event()

    def hold(rows: sqlite_utils.Database) -> None:
        started.set()
        assert go_on.wait(10)

    holding = asyncio.create_task(database.write(hold))
    assert await asyncio.to_thread(started.wait, 10)
    with pytest.raises(Busy) as caught:
        await add(other, "blocked")
    go_on.set()
    await holding
    assert caught.value.retryable
    await add(other, "free")
    await other.close()
