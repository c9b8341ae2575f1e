"""What a process acknowledged is there after SIGKILL and after a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aura_local.storage.database import Database
from tests.storage.test_database import FIRST, KEY, texts

pytestmark = pytest.mark.anyio

WRITER = """
import asyncio, resource, sys
from pathlib import Path
from aura_local.errors import StorageFull
from aura_local.storage.database import Database
from tests.storage.test_database import FIRST, KEY, add, texts

async def main(path, limit_bytes):
    database = await Database.open(Path(path), KEY, FIRST)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))
    number = 0
    try:
        while True:
            await add(database, f"{number} " + "x" * 1000)
            print(number, flush=True)
            number += 1
    except StorageFull:
        kept = len(await texts(database))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await add(database, "space again")
        print("full", kept, flush=True)
    await database.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def start_writer(path: Path, *, limit_bytes: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(limit_bytes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("kill_after", [1, 40, 97])
async def test_a_killed_process_loses_nothing_it_acknowledged(tmp_path: Path, kill_after: int) -> None:
    path = tmp_path / "notes.sqlite"
    writer = start_writer(path, limit_bytes=-1)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(kill_after)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in writer.stdout.read().split()]
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL

    database = await Database.open(path, KEY, FIRST)
    kept = {int(text.split()[0]) for text in await texts(database)}
    assert set(acknowledged) <= kept
    assert len(kept) <= len(acknowledged) + 1  # at most one was committed and not yet acknowledged
    check = await database.read(lambda rows: rows.conn.execute("PRAGMA integrity_check").fetchall())
    assert check == [("ok",)]
    await database.close()


async def test_a_full_disk_is_said_loses_nothing_and_passes(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    writer = start_writer(path, limit_bytes=600_000)
    output, _ = writer.communicate(timeout=60)
    assert writer.returncode == 0
    *acknowledged, full = output.splitlines()
    assert len(acknowledged) > 20
    assert full == f"full {len(acknowledged)}"
    database = await Database.open(path, KEY, FIRST)
    assert len(await texts(database)) == len(acknowledged) + 1
    await database.close()
