"""A backup is whole and encrypted, comes back exactly, and a damaged one changes nothing."""

# ruff: noqa: ASYNC240 - a test has the loop to itself
from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from aura_local.errors import Busy, Conflict, InvalidRequest, KeyUnavailable, NotFound, StorageDamaged
from aura_local.storage.backups import back_up
from aura_local.storage.key_rotation import rotate_tenant
from aura_local.storage.restoring import finish_restore, restore, restore_tenant
from tests.storage.filled_home import MASTER, OTHER_MASTER, files_with, opened

pytestmark = pytest.mark.anyio


async def test_a_backup_made_under_load_comes_back_exactly(tmp_path: Path) -> None:
    source, target, backup = tmp_path / "one", tmp_path / "two", tmp_path / "backup"
    async with opened(source) as home:
        tenants = [await home.tenant(f"Museum {number}", f"kingfisher{number}") for number in range(4)]
        await home.catalog.set_status(tenants[0].id, "suspended")
        dumps = {tenant.id: await home.dump(tenant.id) for tenant in tenants}
        async with anyio.create_task_group() as group:

            async def work() -> None:
                for number in range(4, 7):
                    await home.tenant(f"Museum {number}", f"kingfisher{number}")
                await rotate_tenant(home.catalog, home.leases, tenants[1].id)

            group.start_soon(work)
            receipt = await back_up(home.catalog, home.leases, MASTER, backup)
        assert receipt.tenants >= 4
        assert receipt.left_out == ()
        with pytest.raises(Conflict):
            await back_up(home.catalog, home.leases, MASTER, backup)
        with pytest.raises(InvalidRequest):
            await back_up(home.catalog, home.leases, MASTER, source / "backup")
    assert files_with(backup, b"kingfisher", b"Museum") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "one"]
    await restore(backup, target, MASTER)
    async with opened(target) as home:
        assert {tenant.id: await home.dump(tenant.id) for tenant in tenants} == dumps
        for tenant in await home.catalog.tenants():
            await home.dump(tenant.id)  # made during the backup: maybe empty, never a row without its bytes


async def test_a_restoration_replaces_only_what_it_may(tmp_path: Path) -> None:
    folder, backup = tmp_path / "home", tmp_path / "backup"
    async with opened(folder) as home:
        tenant = await home.tenant("Museum", "kingfisher")
        before = await home.dump(tenant.id)
        await back_up(home.catalog, home.leases, MASTER, backup)
        later = await home.tenant("Later", "heron")
    with pytest.raises(Conflict):
        await restore(backup, folder, MASTER)
    async with opened(folder) as home:
        assert len(await home.catalog.tenants()) == 2
    steps: list[tuple[int, int]] = []
    await restore(
        backup, folder, MASTER, replace=True, progress=lambda done, total: steps.append((done, total))
    )
    assert steps[0] == (0, 3)
    assert steps[-1] == (3, 3)
    async with opened(folder) as home:
        assert [one.id for one in await home.catalog.tenants()] == [tenant.id]
        assert await home.dump(tenant.id) == before
    assert not (folder / "tenants" / later.id).exists()
    assert sorted(path.name for path in folder.iterdir()) == ["aura.lock", "aura.sqlite", "tenants"]


def break_byte(backup: Path, name: str) -> None:
    (path,) = backup.glob(name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def rename_in_manifest(backup: Path, name: str) -> None:
    manifest = json.loads((backup / "manifest.json").read_text())
    manifest["files"][-1]["name"] = name
    (backup / "manifest.json").write_text(json.dumps(manifest))


async def test_a_damaged_backup_changes_nothing(tmp_path: Path) -> None:
    folder, whole = tmp_path / "home", tmp_path / "backup"
    async with opened(folder) as home:
        tenant = await home.tenant("Museum", "kingfisher")
        await back_up(home.catalog, home.leases, MASTER, whole)
        before = await home.dump(tenant.id)
    files = {path.relative_to(whole): path.read_bytes() for path in whole.rglob("*") if path.is_file()}

    async def refused(error: type[Exception] = StorageDamaged, key: object = MASTER) -> None:
        with pytest.raises(error):
            await restore(whole, folder, OTHER_MASTER if key is OTHER_MASTER else MASTER, replace=True)
        async with opened(folder) as home:
            assert await home.dump(tenant.id) == before
        assert not (folder / "restoring").exists()
        for path, content in files.items():
            (whole / path).write_bytes(content)

    for name in ("aura.sqlite", "tenants/*/tenant.sqlite", "tenants/*/blobs/*/*"):
        break_byte(whole, name)
        await refused()
        next(whole.glob(name)).unlink()
        await refused()
    for name in ("../../escaped", "/etc/passwd", "tenants/x/tenant.sqlite", "aura.sqlite"):
        rename_in_manifest(whole, name)
        await refused()
    for content in (b"", b"[]", b"{}", b"\xff"):
        (whole / "manifest.json").write_bytes(content)
        await refused()
    await refused(KeyUnavailable, OTHER_MASTER)
    async with opened(folder) as home:
        with pytest.raises(KeyUnavailable):
            await restore_tenant(whole, home.catalog, home.leases, OTHER_MASTER, tenant.id)
        break_byte(whole, "tenants/*/blobs/*/*")
        with pytest.raises(StorageDamaged):
            await restore_tenant(whole, home.catalog, home.leases, MASTER, tenant.id)
        assert await home.dump(tenant.id) == before


async def test_a_restoration_cut_short_is_finished_or_forgotten(tmp_path: Path) -> None:
    folder, backup = tmp_path / "home", tmp_path / "backup"
    async with opened(folder) as home:
        tenant = await home.tenant("Museum", "kingfisher")
        await back_up(home.catalog, home.leases, MASTER, backup)
        before = await home.dump(tenant.id)
        await home.tenant("Later", "heron")
    staged = folder / "restoring"
    backup.rename(staged)
    await anyio.to_thread.run_sync(finish_restore, folder)  # not verified when it was killed
    async with opened(folder) as home:
        assert len(await home.catalog.tenants()) == 2
        await back_up(home.catalog, home.leases, MASTER, backup)
    backup.rename(staged)
    (staged / "verified").touch()
    (folder / "aura.sqlite").unlink()  # killed between the one and the other
    await anyio.to_thread.run_sync(finish_restore, folder)
    assert not staged.exists()
    async with opened(folder) as home:
        assert len(await home.catalog.tenants()) == 2
        assert await home.dump(tenant.id) == before


async def test_one_damaged_tenant_is_left_out_and_restored_from_an_earlier_backup(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    async with opened(folder) as home:
        one, two = await home.tenant("One", "kingfisher"), await home.tenant("Two", "heron")
        before, kept = await home.dump(one.id), await home.dump(two.id)
        await back_up(home.catalog, home.leases, MASTER, tmp_path / "good")
        await rotate_tenant(home.catalog, home.leases, one.id)  # the backup has an older key
    path = folder / "tenants" / one.id / "tenant.sqlite"
    path.write_bytes(b"\x00" * 100 + path.read_bytes()[100:])
    async with opened(folder) as home:
        with pytest.raises(StorageDamaged) as caught:
            await home.dump(one.id)
        assert one.id in caught.value.message
        assert "estore" in caught.value.message
        assert list(home.leases.quarantined) == [one.id]
        assert await home.dump(two.id) == kept
        receipt = await back_up(home.catalog, home.leases, MASTER, tmp_path / "later")
        assert receipt.left_out == (one.id,)
        with pytest.raises(NotFound):
            await restore_tenant(tmp_path / "later", home.catalog, home.leases, MASTER, one.id)
        await restore_tenant(tmp_path / "good", home.catalog, home.leases, MASTER, one.id)
        assert home.leases.quarantined == {}
        assert await home.dump(one.id) == before
        assert await home.dump(two.id) == kept
    await restore(tmp_path / "later", tmp_path / "new", MASTER)
    async with opened(tmp_path / "new") as home:
        assert await home.dump(two.id) == kept


async def test_a_lent_tenant_is_not_replaced(tmp_path: Path) -> None:
    async with opened(tmp_path / "home") as home:
        tenant = await home.tenant("One", "kingfisher")
        async with home.leases.evict(tenant.id):
            with pytest.raises(Busy):
                await home.dump(tenant.id)
            with pytest.raises(Busy):
                async with home.leases.evict(tenant.id):
                    pytest.fail("evicted twice")
        assert await home.dump(tenant.id)
