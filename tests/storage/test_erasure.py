"""After an erasure nothing of the tenant can be read from any byte of the data folder, by anyone."""

# ruff: noqa: ASYNC240 - a test has the loop to itself
from __future__ import annotations

from pathlib import Path

import pytest
import sqlite_utils

from aura_local.errors import Busy, NotFound
from aura_local.storage.erasure import erase, finish_erasures
from tests.storage.filled_home import MASTER, Home, files_with, opened
from tests.storage.plain_pages import plain_pages

pytestmark = pytest.mark.anyio

CANARIES = ("kingfisher", "Erased Museum")


async def wrapped_key(home: Home, tenant_id: str) -> bytes:
    query = "SELECT wrapped_key FROM tenants WHERE id = ?"
    return await home.catalog.database.read(
        lambda rows: bytes(rows.execute(query, [tenant_id]).fetchone()[0])
    )


def everything(folder: Path) -> bytes:
    """Every byte of the data folder, the platform's pages decrypted."""
    files = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    return files + plain_pages(folder / "aura.sqlite", MASTER.derive("platform"))


async def test_no_trace_is_left_in_any_page(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    async with opened(folder) as home:
        tenant = await home.tenant(CANARIES[1], CANARIES[0])
        other = await home.tenant("Other", "heron")
        await home.catalog.rename(tenant.id, f"{CANARIES[1]} 2")
        kept, wrapped = await home.dump(other.id), await wrapped_key(home, tenant.id)
        await home.catalog.database.backup(folder / "aura.sqlite.before-0009")
    before = everything(folder)
    traces = [*(word.encode() for word in CANARIES), wrapped, tenant.id.encode()]
    assert all(trace in before for trace in traces)  # the search below would see them
    async with opened(folder) as home:
        receipts: list[str] = []
        await erase(home.catalog, home.leases, tenant.id, also=lambda rows, id: receipts.append(id))
        assert receipts == [tenant.id]
        assert (folder / "aura.sqlite-wal").stat().st_size == 0  # also while it runs on
        assert not home.leases.folder(tenant.id).exists()
        assert await home.dump(other.id) == kept
        with pytest.raises(NotFound):
            await erase(home.catalog, home.leases, tenant.id)
        with pytest.raises(NotFound):
            async with home.leases.lease(tenant.id):
                pytest.fail("lent an erased tenant")
    after = everything(folder)
    assert [trace for trace in traces if trace in after] == []
    assert b"heron" in after


async def test_a_receipt_that_cannot_be_written_keeps_the_tenant(tmp_path: Path) -> None:
    def refuse(rows: sqlite_utils.Database, id: str) -> None:
        raise RuntimeError("no receipt")

    async with opened(tmp_path) as home:
        tenant = await home.tenant("Museum", "kingfisher")
        before = await home.dump(tenant.id)
        with pytest.raises(RuntimeError, match="no receipt"):
            await erase(home.catalog, home.leases, tenant.id, also=refuse)
        assert await finish_erasures(home.catalog, tmp_path) == 0
        assert await home.dump(tenant.id) == before
        assert not (home.leases.folder(tenant.id) / "removable").exists()


async def test_what_a_killed_erasure_left_is_removed_later(tmp_path: Path) -> None:
    async with opened(tmp_path) as home:
        one, two = await home.tenant("One", "kingfisher"), await home.tenant("Two", "heron")
        for tenant in (one, two):
            (home.leases.folder(tenant.id) / "removable").touch()
            await home.catalog.delete_tenant(tenant.id)
        async with home.leases.evict(one.id):
            pass
        await erase(home.catalog, home.leases, one.id)  # by asking again
        assert not home.leases.folder(one.id).exists()
    async with opened(tmp_path) as home:
        (tmp_path / "tenants" / "0123456789abcdef").mkdir()  # killed after the mark was removed
        assert await finish_erasures(home.catalog, tmp_path) == 2  # by the next start
        assert list((tmp_path / "tenants").iterdir()) == []


async def test_a_folder_that_nobody_erased_is_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as home:
        tenant = await home.tenant("Museum", "kingfisher")
        await home.catalog.delete_tenant(tenant.id)  # as if an older platform file had been put back
        assert await finish_erasures(home.catalog, tmp_path) == 0
        assert (home.leases.folder(tenant.id) / "tenant.sqlite").exists()


async def test_a_tenant_in_use_is_not_erased(tmp_path: Path) -> None:
    async with opened(tmp_path) as home:
        tenant = await home.tenant("Museum", "kingfisher")
        async with home.leases.lease(tenant.id) as handle:
            with pytest.raises(Busy):
                async with home.leases.evict(tenant.id, within_s=0.01):
                    pytest.fail("evicted under its borrower")
            assert await handle.database.read(lambda rows: rows.table("documents").count) == 1
        assert (await home.dump(tenant.id))["documents"]


async def test_a_stolen_folder_yields_no_text(tmp_path: Path) -> None:
    async with opened(tmp_path) as home:
        tenant = await home.tenant("Stolen Museum", "kingfisher")
        async with home.leases.lease(tenant.id) as handle:
            await handle.database.backup(handle.folder / "tenant.sqlite.before-0009")
            words = (b"kingfisher", b"Stolen Museum", f"{tenant.id}.test".encode())
            assert len([path for path in tmp_path.rglob("*") if path.is_file()]) >= 8
            assert files_with(tmp_path, *words) == []  # with both logs still there
    assert files_with(tmp_path, *words) == []
