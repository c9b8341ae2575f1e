"""Every entry is written with what it records, in one chain, or neither is."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest
import sqlcipher3.dbapi2 as sqlcipher
import sqlite_utils

from aura_local.audit.actions import ACTIONS, Action
from aura_local.audit.chain import PLATFORM, AuditLog, entry
from aura_local.audit.entries import GENESIS
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.database import Database
from aura_local.storage.platform_tables import PLATFORM_MIGRATIONS
from aura_local.storage.schema import run_in_order
from tests.audit.platform_file import KEY, MOMENT

pytestmark = pytest.mark.anyio


async def test_entries_are_listed_as_they_were_written(log: AuditLog) -> None:
    first, second = await log.entries(limit=2)
    assert (first.sequence, first.at, first.actor) == (1, "2026-11-23T12:00:00.123+00:00", "user:ada")
    assert (first.action, first.subject, first.details) == ("key.created", "key1", {"number": 1})
    assert first.previous == GENESIS.hex()
    assert second.previous == first.digest
    assert [found.sequence for found in await log.entries(after=4, limit=10)] == [5, 6]
    assert await log.entries(after=6) == await log.entries(limit=0) == []


async def test_the_digest_is_what_the_manual_says(log: AuditLog) -> None:
    """Computed here from an export alone, without our code."""
    previous = bytes(32)
    lines = "".join([part async for part in log.export()]).splitlines()
    for line in lines:
        found: dict[str, Any] = json.loads(line)
        content = [
            found[name] for name in ("chain", "sequence", "at", "actor", "action", "subject", "details")
        ]
        text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        assert found["previous"] == previous.hex()
        previous = sha256(previous + text).digest()
        assert found["digest"] == previous.hex()
    assert len(lines) == 6


async def test_rows_cannot_be_changed_or_deleted_by_our_own_code(database: Database, log: AuditLog) -> None:
    for statement in ("DELETE FROM audit_entries", "UPDATE audit_entries SET actor = 'x'"):
        with pytest.raises(sqlcipher.IntegrityError, match="audit entries are never"):
            await database.write(run_in_order(statement))
    assert (await log.verify()).entries == 6


async def rename(database: Database, *also: AlsoWrite) -> None:
    """A change like those of the catalog, with what it also writes."""

    def change(connection: sqlite_utils.Database) -> None:
        connection.conn.execute(
            "INSERT INTO tenants (id, name, wrapped_key, created_at) VALUES ('t1', 'Museum', x'00', '')"
        )
        for write in also:
            write(connection, "t1")

    await database.write(change)


async def count(database: Database, table: str) -> int:
    return await database.read(lambda rows: int(rows.table(table).count))


async def test_a_change_and_its_entry_are_written_together(database: Database) -> None:
    log = AuditLog(database)
    await rename(
        database,
        entry(PLATFORM, "user:ada", "tenant.created", tier="pro"),
        entry(PLATFORM, "user:ada", "user.created", "u1"),
    )
    created, other = await log.entries()
    assert (created.action, created.subject, created.details) == ("tenant.created", "t1", {"tier": "pro"})
    assert (other.subject, other.details) == ("u1", {})
    assert (await log.verify()).entries == 2


async def test_an_entry_that_cannot_be_written_undoes_the_change(database: Database, log: AuditLog) -> None:
    await database.write(
        run_in_order(
            "CREATE TRIGGER full BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    )
    with pytest.raises(sqlcipher.IntegrityError):
        await rename(database, entry(PLATFORM, "user:ada", "tenant.created"))
    assert await count(database, "tenants") == 0


async def test_a_change_that_fails_leaves_no_entry_and_no_gap(database: Database, log: AuditLog) -> None:
    def fail(connection: sqlite_utils.Database, changed: str) -> None:
        raise RuntimeError("after the entry")

    with pytest.raises(RuntimeError):
        await rename(database, entry(PLATFORM, "user:ada", "tenant.created"), fail)
    await log.append("user:ada", "login", "user:ada")
    assert (await log.verify()).entries == 7


async def test_an_entry_is_never_written_outside_a_transaction() -> None:
    connection = sqlcipher.connect(":memory:", isolation_level=None)
    loose = sqlite_utils.Database(connection, execute_plugins=False)
    with pytest.raises(RuntimeError, match="inside the transaction"):
        entry(PLATFORM, "user:ada", "login")(loose, "user:ada")
    loose.close()


async def test_actions_and_details_that_cannot_be_kept_are_refused_before_anything_changes(
    database: Database, log: AuditLog
) -> None:
    with pytest.raises(ValueError, match="not in the list"):
        entry(PLATFORM, "user:ada", "key.creatde")
    with pytest.raises(ValueError, match="not in the list"):
        await log.append("user:ada", "key.creatde", "k")
    with pytest.raises(TypeError):
        entry(PLATFORM, "user:ada", "key.created", at=MOMENT)
    with pytest.raises(ValueError, match="JSON"):
        entry(PLATFORM, "user:ada", "key.created", share=float("nan"))
    with pytest.raises(TypeError):
        await log.append("user:ada", "key.created", "k", secret=b"bytes")
    assert set(get_args(Action)) == ACTIONS
    assert await count(database, "audit_entries") == 6


async def test_names_of_any_script_survive(database: Database) -> None:
    log = AuditLog(database)
    await log.append("user:Ζωή", "key.created", "k\x00\u2028", label="Zoë 🎙")
    (found,) = await log.entries()
    assert (found.actor, found.subject, found.details) == ("user:Ζωή", "k\x00\u2028", {"label": "Zoë 🎙"})
    assert (await log.verify()).broken_at is None


async def test_writers_of_two_connections_make_one_chain(path: Path, database: Database) -> None:
    """As `aura serve` and a command beside it would; each connection has its own lock and thread."""
    other = await Database.open(path, KEY, PLATFORM_MIGRATIONS)

    async def write(connection: Database, actor: str) -> None:
        log = AuditLog(connection)
        for number in range(20):
            await log.append(actor, "login", f"{number}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, database, "one")
        tasks.start_soon(write, other, "two")
    found = await AuditLog(other).verify()
    assert (found.entries, found.broken_at) == (40, None)
    actors = [found.actor for found in await AuditLog(database).entries(limit=40)]
    assert sorted(actors) == ["one"] * 20 + ["two"] * 20
    await other.close()
