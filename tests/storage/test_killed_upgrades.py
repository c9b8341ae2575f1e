"""A process killed in mid-migration leaves the old schema or the new one, never something between."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import anyio
import pytest
import sqlite_utils

from aura_local.storage.database import Database
from aura_local.storage.database_copies import check, connected
from aura_local.storage.tenant_rows import make_tables, migrations_of, same_tables
from aura_local.storage.tenant_tables import TENANT_MIGRATIONS

pytestmark = pytest.mark.anyio

KEY = bytes(range(32))
RELEASED = 3
"""Migrations that the old data has had."""

UPGRADE = """
import asyncio, os, signal, sys
from pathlib import Path
from aura_local.storage.database import Database
from aura_local.storage.schema import Migration
from aura_local.storage.tenant_tables import TENANT_MIGRATIONS

path, kill_at = Path(sys.argv[1]), int(sys.argv[2])
steps = 0

def count():
    global steps
    steps += 1
    if steps == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0

def counted(migration):
    def apply(database):
        database.conn.set_progress_handler(count, 1)  # called at every instruction of SQLite's machine
        migration.apply(database)
    return Migration(migration.name, apply)

async def main():
    migrations = [counted(migration) for migration in TENANT_MIGRATIONS]
    database = await Database.open(path, bytes(range(32)), migrations)
    await database.close()
    print(steps)

asyncio.run(main())
"""


def upgrade_and_kill(path: Path, *, kill_at: int) -> int | None:
    command = [sys.executable, "-c", UPGRADE, str(path), str(kill_at)]
    child = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    if child.returncode == -signal.SIGKILL:
        return None
    assert child.returncode == 0, child.stderr
    return int(child.stdout)


async def old_data(path: Path) -> None:
    database = await Database.open(path, KEY, TENANT_MIGRATIONS[:RELEASED])

    def fill(rows: sqlite_utils.Database) -> None:
        rows.execute("INSERT INTO documents VALUES ('d', 'n', '', 's', 1, 'indexed', NULL, 1, 1, '', '')")
        for number in range(50):
            rows.execute(
                "INSERT INTO passages (document_id, ordinal, text) VALUES ('d', ?, ?)",
                [number, "museum " * 100],
            )
        rows.execute("INSERT INTO sessions VALUES ('s', 'en', '')")

    await database.write(fill)
    await database.close()


def texts(rows: sqlite_utils.Database) -> list[tuple[str, str, int]]:
    query = (
        "SELECT documents.id, passages.text, passages.id FROM passages JOIN documents ON document_id = "
        "documents.id JOIN sessions JOIN passages_fts ON passages_fts.rowid = passages.id "
        "WHERE passages_fts MATCH 'museum' ORDER BY passages.id"
    )
    return [tuple(row) for row in rows.execute(query).fetchall()]


async def test_old_or_new_never_between(tmp_path: Path) -> None:
    await old_data(tmp_path / "whole.sqlite")
    steps = await anyio.to_thread.run_sync(lambda: upgrade_and_kill(tmp_path / "whole.sqlite", kill_at=-1))
    seed = random.randrange(2**32)
    assert steps is not None
    moments = random.Random(seed).sample(range(1, steps + 1), 5)
    for moment in moments:
        path = tmp_path / f"{moment}.sqlite"
        await old_data(path)
        killed = await anyio.to_thread.run_sync(partial(upgrade_and_kill, path, kill_at=moment))
        assert killed is None, f"seed {seed}: not killed at {moment} of {steps}"
        with connected(path, KEY) as found, connected(tmp_path / f"{moment}.expected", None) as expected:
            applied = migrations_of(found)
            assert RELEASED <= len(applied) <= len(TENANT_MIGRATIONS)
            make_tables(expected, applied)
            assert same_tables(found, expected), f"seed {seed}, killed at {moment} of {steps}"
            assert len(texts(sqlite_utils.Database(found, execute_plugins=False))) == 50
        check(path, KEY)
        database = await Database.open(path, KEY, TENANT_MIGRATIONS)
        assert len(await database.read(texts)) == 50
        await database.close()
        with connected(path, KEY) as found:
            assert len(migrations_of(found)) == len(TENANT_MIGRATIONS)
