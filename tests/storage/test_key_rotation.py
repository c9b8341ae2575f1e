"""New keys open everything, old ones nothing, and a kill at any moment loses nothing."""

# ruff: noqa: ASYNC240 - a test has the loop to itself
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

from aura_local.errors import Busy, KeyUnavailable, StorageDamaged, TenantSuspended
from aura_local.storage.folder_lock import use_folder
from aura_local.storage.key_rotation import (
    rotate_master,
    rotate_master_in_file,
    rotate_master_sealed,
    rotate_tenant,
)
from aura_local.storage.keys import MasterKey, key_fits
from aura_local.storage.sealed_key import load_or_create_sealed
from tests.storage.filled_home import MASTER, OTHER_MASTER, opened
from tests.storage.plain_pages import plain_pages

pytestmark = pytest.mark.anyio

ROTATING = """
import asyncio, os, signal, sys
from pathlib import Path
from aura_local.storage.key_rotation import rotate_master_in_file, rotate_tenant
from tests.storage.filled_home import opened

home, key_file, kill_at, what = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
TOUCHING = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree"}
steps, armed = 0, False

def count(event, arguments):
    global steps
    if armed and event in TOUCHING:
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

async def main():
    global armed
    from aura_local.storage.keys import MasterKey
    if what == "master":
        armed = True
        await rotate_master_in_file(home, key_file)
    else:
        async with opened(home, MasterKey.load_or_create(key_file, data_folder=home)) as it:
            (tenant,) = await it.catalog.tenants()
            armed = True
            await rotate_tenant(it.catalog, it.leases, tenant.id)
    armed = False
    print(steps)

sys.addaudithook(count)
asyncio.run(main())
"""


def rotate_and_kill(home: Path, key_file: Path, what: str, *, kill_at: int) -> int | None:
    """Rotate in a child that is killed at the given access to a file; without a kill, their number."""
    command = [sys.executable, "-c", ROTATING, str(home), str(key_file), str(kill_at), what]
    child = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    if child.returncode == -signal.SIGKILL:
        return None
    assert child.returncode == 0, child.stderr
    return int(child.stdout)


@pytest.mark.parametrize("what", ["master", "tenant"])
async def test_a_kill_at_any_moment_leaves_everything_readable(tmp_path: Path, what: str) -> None:
    home, key_file = tmp_path / "home", tmp_path / "master.key"
    home.mkdir()
    async with opened(home, MasterKey.load_or_create(key_file, data_folder=home)) as it:
        tenant = await it.tenant("Museum", "kingfisher")
        before = await it.dump(tenant.id)
    steps = await anyio.to_thread.run_sync(lambda: rotate_and_kill(home, key_file, what, kill_at=-1))
    assert steps is not None
    seed = random.randrange(2**32)
    moments = random.Random(seed).sample(range(1, steps + 1), 5)
    for moment in moments:
        killed = await anyio.to_thread.run_sync(
            partial(rotate_and_kill, home, key_file, what, kill_at=moment)
        )
        assert killed is None, f"not killed at {moment} of {steps}"
        async with opened(home, MasterKey.load_or_create(key_file, data_folder=home)) as it:
            assert await it.dump(tenant.id) == before, f"seed {seed}, killed at {moment} of {steps}"
        assert not list(tmp_path.glob("*.next"))
        assert not (home / "tenants" / tenant.id / "next").exists()


async def test_a_new_master_key_replaces_the_old_one_completely(tmp_path: Path) -> None:
    home, key_file = tmp_path / "home", tmp_path / "master.key"
    home.mkdir()
    old = MasterKey.load_or_create(key_file, data_folder=home)
    async with opened(home, old) as it:
        tenant = await it.tenant("Museum", "kingfisher")
        before, key = await it.dump(tenant.id), await it.catalog.tenant_key(tenant.id)
        with pytest.raises(Busy):
            await rotate_master(home, old, OTHER_MASTER)  # the catalog is open
        wrapped = await it.catalog.database.read(
            lambda rows: bytes(rows.execute("SELECT wrapped_key FROM tenants").fetchone()[0])
        )
    (home / "aura.sqlite.before-0009").write_bytes(b"under the old key")
    heard: list[str] = []
    new = await rotate_master_in_file(home, key_file, also=lambda rows, id: heard.append(id))
    assert heard == ["platform"]
    assert new != old
    assert MasterKey.load_or_create(key_file, data_folder=home) == new
    assert [path.name for path in tmp_path.iterdir() if path != home] == ["master.key"]
    assert sorted(path.name for path in home.iterdir()) == ["aura.lock", "aura.sqlite", "tenants"]
    assert wrapped not in plain_pages(home / "aura.sqlite", new.derive("platform"))
    with pytest.raises(KeyUnavailable):
        async with opened(home, old):
            pytest.fail("opened with the old key")
    async with opened(home, new) as it:
        assert await it.dump(tenant.id) == before
        assert await it.catalog.tenant_key(tenant.id) == key


async def test_a_failed_rotation_keeps_the_old_key(tmp_path: Path) -> None:
    home, key_file = tmp_path / "home", tmp_path / "master.key"
    home.mkdir()
    old = MasterKey.load_or_create(key_file, data_folder=home)
    async with opened(home, old) as it:
        await it.tenant("Museum", "kingfisher")

    def refuse(rows: sqlite_utils.Database, id: str) -> None:
        raise RuntimeError("no receipt")

    with pytest.raises(RuntimeError, match="no receipt"):
        await rotate_master_in_file(home, key_file, also=refuse)
    with pytest.raises(KeyUnavailable):
        await rotate_master(home, OTHER_MASTER, MasterKey.new())
    with use_folder(home), pytest.raises(Busy):
        await rotate_master_in_file(home, key_file)
    assert MasterKey.load_or_create(key_file, data_folder=home) == old
    async with opened(home, old) as it:
        assert len(await it.catalog.tenants()) == 1
    assert sorted(path.name for path in home.iterdir()) == ["aura.lock", "aura.sqlite", "tenants"]


async def test_a_sealed_master_key_is_replaced_behind_its_passphrase(tmp_path: Path) -> None:
    words = "correct horse battery"
    old = load_or_create_sealed(tmp_path, words)
    async with opened(tmp_path, old) as it:
        tenant = await it.tenant("Museum", "kingfisher")
        before = await it.dump(tenant.id)
    new = await rotate_master_sealed(tmp_path, words)
    assert old != new == load_or_create_sealed(tmp_path, words)
    async with opened(tmp_path, new) as it:
        assert await it.dump(tenant.id) == before


async def test_a_new_tenant_key_replaces_the_old_one_completely(tmp_path: Path) -> None:
    async with opened(tmp_path) as home:
        tenant, other = await home.tenant("Museum", "kingfisher"), await home.tenant("Other", "heron")
        before, kept = await home.dump(tenant.id), await home.dump(other.id)
        old_key = await home.catalog.tenant_key(tenant.id)
        wrapped = await home.catalog.database.read(
            lambda rows: bytes(
                rows.execute("SELECT wrapped_key FROM tenants WHERE id = ?", [tenant.id]).fetchone()[0]
            )
        )
        folder = home.leases.folder(tenant.id)
        (folder / "tenant.sqlite.before-0009").write_bytes(b"under the old key")
        await home.catalog.set_status(tenant.id, "suspended")
        seen: list[tuple[int, int]] = []
        await rotate_tenant(
            home.catalog, home.leases, tenant.id, progress=lambda done, total: seen.append((done, total))
        )
        assert seen == [(0, 1), (1, 1)]
        with pytest.raises(TenantSuspended):
            async with home.leases.lease(tenant.id):
                pytest.fail("lent a suspended tenant")
        assert await home.dump(tenant.id) == before
        assert await home.dump(other.id) == kept
        assert await home.catalog.tenant_key(tenant.id) != old_key
    assert not key_fits(folder / "tenant.sqlite", old_key)
    assert sorted(path.name for path in folder.iterdir()) == ["blobs", "tenant.sqlite"]
    with pytest.raises(StorageDamaged):
        await home.leases.blob_store(folder, old_key).read(before["documents"][0]["sha256"])
    assert wrapped not in plain_pages(tmp_path / "aura.sqlite", MASTER.derive("platform"))


async def test_a_damaged_blob_stops_the_rotation_and_nothing_changes(tmp_path: Path) -> None:
    async with opened(tmp_path) as home:
        tenant = await home.tenant("Museum", "kingfisher")
        key = await home.catalog.tenant_key(tenant.id)
        (blob,) = home.leases.folder(tenant.id).glob("blobs/??/*")
        content = blob.read_bytes()
        blob.write_bytes(content[:-1])
        with pytest.raises(StorageDamaged):
            await rotate_tenant(home.catalog, home.leases, tenant.id)
        blob.write_bytes(content)
        assert await home.catalog.tenant_key(tenant.id) == key
        assert (await home.dump(tenant.id))["documents"]
        assert not (home.leases.folder(tenant.id) / "next").exists()


async def test_a_tenant_that_another_process_has_open_is_not_rotated(tmp_path: Path) -> None:
    async with opened(tmp_path) as home, opened(tmp_path) as other:
        tenant = await home.tenant("Museum", "kingfisher")
        async with other.leases.lease(tenant.id) as handle:
            with pytest.raises(Busy):
                await rotate_tenant(home.catalog, home.leases, tenant.id)
            assert await handle.database.read(lambda rows: rows.table("documents").count) == 1
        assert (await home.dump(tenant.id))["documents"]
