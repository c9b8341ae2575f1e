"""A tenant is renamed, suspended and given a tier; whoever borrows it sees that at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlite_utils

from aura_local.errors import Conflict, InvalidRequest, NotFound, TenantSuspended
from tests.storage.filled_home import Home, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with opened(tmp_path) as home:
        yield home


async def test_settings_are_kept_apart_for_each_tenant(home: Home) -> None:
    one, two = await home.catalog.create_tenant("One"), await home.catalog.create_tenant("Two")
    assert (one.status, one.tier, one.public_page) == ("active", None, False)
    heard: list[str] = []
    await home.catalog.rename(one.id, "First", also=lambda rows, id: heard.append(f"rename {id}"))
    await home.catalog.set_status(one.id, "suspended", also=lambda rows, id: heard.append(f"status {id}"))
    await home.catalog.set_tier(one.id, "pro", also=lambda rows, id: heard.append(f"tier {id}"))
    await home.catalog.set_public_page(one.id, True, also=lambda rows, id: heard.append(f"page {id}"))
    assert heard == [f"{what} {one.id}" for what in ("rename", "status", "tier", "page")]
    changed = await home.catalog.tenant(one.id)
    assert (changed.name, changed.status, changed.tier) == ("First", "suspended", "pro")
    assert changed.public_page is True
    assert await home.catalog.tenant_by_name("First") == changed
    assert await home.catalog.tenant(two.id) == two
    await home.catalog.set_tier(one.id, None)
    assert (await home.catalog.tenant(one.id)).tier is None


async def test_what_cannot_be_is_refused(home: Home) -> None:
    one = await home.catalog.create_tenant("One")
    await home.catalog.create_tenant("Two")
    with pytest.raises(Conflict):
        await home.catalog.rename(one.id, "Two")
    with pytest.raises(InvalidRequest):
        await home.catalog.rename(one.id, " Two")
    for change in (
        home.catalog.rename("none", "Three"),
        home.catalog.set_status("none", "suspended"),
        home.catalog.set_tier("none", "pro"),
        home.catalog.set_public_page("none", True),
        home.catalog.replace_tenant_key("none", bytes(32)),
        home.catalog.delete_tenant("none"),
    ):
        with pytest.raises(NotFound):
            await change
    assert await home.catalog.tenant(one.id) == one


async def test_without_its_entry_a_change_does_not_happen(home: Home) -> None:
    def refuse(rows: sqlite_utils.Database, id: str) -> None:
        raise RuntimeError("no entry")

    one = await home.catalog.create_tenant("One")
    key = await home.catalog.tenant_key(one.id)
    for change in (
        home.catalog.create_tenant("Two", also=refuse),
        home.catalog.rename(one.id, "First", also=refuse),
        home.catalog.set_status(one.id, "suspended", also=refuse),
        home.catalog.set_tier(one.id, "pro", also=refuse),
        home.catalog.set_public_page(one.id, True, also=refuse),
        home.catalog.replace_tenant_key(one.id, bytes(32), also=refuse),
        home.catalog.delete_tenant(one.id, also=refuse),
    ):
        with pytest.raises(RuntimeError, match="no entry"):
            await change
    assert await home.catalog.tenants() == [one]
    assert await home.catalog.tenant_key(one.id) == key


async def test_a_suspended_tenant_is_lent_to_administration_alone(home: Home) -> None:
    one, two = await home.tenant("One", "kingfisher"), await home.tenant("Two", "heron")
    async with home.leases.lease(one.id) as open_before:
        await home.catalog.set_status(one.id, "suspended")
        with pytest.raises(TenantSuspended):
            async with home.leases.lease(one.id):
                pytest.fail("lent while suspended")
        async with home.leases.lease(one.id, even_suspended=True) as handle:
            assert handle is open_before
        async with home.leases.lease(two.id):
            pass
    await home.catalog.set_status(one.id, "active")
    await home.catalog.rename(one.id, "First")
    async with home.leases.lease(one.id) as handle:
        assert handle.name == "First"  # although it was open all the time
