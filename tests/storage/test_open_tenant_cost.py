"""What open tenants cost: file descriptors, threads and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_local.storage.catalog import Catalog
from aura_local.storage.keys import MasterKey
from aura_local.storage.leases import TenantHandle, TenantLeases
from tests.storage.test_leases import DESCRIPTORS_PER_DATABASE, RecordingIndex, count_documents, open_files


@pytest.fixture
def home() -> Iterator[Path]:
    """In memory where there is such a place: 200 new databases are some 3,000 fsyncs."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


async def no_index(handle: TenantHandle) -> RecordingIndex:
    return RecordingIndex(handle, [])


@pytest.mark.anyio
async def test_descriptors_and_threads_stay_few_over_200_tenants(home: Path) -> None:
    catalog = await Catalog.open(home, MasterKey(bytes(32)))
    leases = TenantLeases(home=home, catalog=catalog, open_index=no_index, capacity=8, reserve_bytes=0)
    tenants = [await catalog.create_tenant(f"tenant {number}") for number in range(200)]
    threads_before = len(os.listdir("/proc/self/task"))
    most = 0
    for tenant in tenants:
        async with leases.lease(tenant.id) as handle:
            assert await count_documents(handle) == 0
            most = max(most, len(open_files(home / "tenants")))
    assert most == 8 * DESCRIPTORS_PER_DATABASE
    assert len(os.listdir("/proc/self/task")) <= threads_before + 4
    await leases.close()
    assert open_files(home / "tenants") == []
    await catalog.close()


MEMORY = """
import asyncio, os, sys
from pathlib import Path
from aura_local.storage.catalog import Catalog
from aura_local.storage.keys import MasterKey
from aura_local.storage.leases import TenantLeases

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def fill(rows):
    rows.conn.execute(
        "INSERT INTO documents (id, name, media_type, sha256, size_bytes, status, created_at, updated_at)"
        " VALUES ('d', 'n', 't', 's', 1, 'indexed', '', '')"
    )
    for number in range(400):
        rows.conn.execute(
            "INSERT INTO passages (document_id, ordinal, text, vector) VALUES ('d', ?, ?, ?)",
            (number, f"word{number} " * 150, os.urandom(1536)),
        )
    return [1]

def use(rows):
    for row in rows.query("SELECT text, vector FROM passages"):
        pass
    return list(rows.query("SELECT rowid FROM passages_fts WHERE passages_fts MATCH 'word7'"))

async def main(home, phase):
    catalog = await Catalog.open(home, MasterKey(bytes(32)))
    leases = TenantLeases(home=home, catalog=catalog, open_index=None, reserve_bytes=0)
    if phase == "fill":
        for number in range(20):
            await catalog.create_tenant(f"t{number}")
    first, *others = await catalog.tenants()
    for tenant in [first, *others]:
        async with leases.lease(tenant.id) as handle:
            if phase == "fill":
                await handle.database.write(fill)
            else:
                assert len(await handle.database.read(use)) == 1
        if tenant is first:
            before = resident_bytes()
    print((resident_bytes() - before) // len(others))
    await leases.close()
    await catalog.close()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def test_memory_of_an_open_tenant(home: Path) -> None:
    """Each tenant has been read through once (1.9 MB) and searched; its index is closed."""
    for phase in ("fill", "measure"):  # in processes of their own: freed memory would hide the cost
        command = [sys.executable, "-c", MEMORY, str(home), phase]
        child = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
        )
    assert int(child.stdout) <= 2 * 2**20
