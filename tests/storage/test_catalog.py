"""Tenants and keys are found by what they are called, and only under the right master key."""

# ruff: noqa: ASYNC240 - a test has the loop to itself
from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aura_local.errors import Conflict, InvalidRequest, KeyUnavailable, NotFound
from aura_local.storage.catalog import Catalog
from aura_local.storage.keys import MasterKey

pytestmark = pytest.mark.anyio

MASTER = MasterKey(bytes(range(32)))


class Calendar:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
async def catalog(tmp_path: Path, calendar: Calendar) -> AsyncIterator[Catalog]:
    catalog = await Catalog.open(tmp_path, MASTER, now=calendar.now)
    yield catalog
    await catalog.close()


async def test_tenants_have_generated_ids_and_keys_of_their_own(catalog: Catalog, tmp_path: Path) -> None:
    museum = await catalog.create_tenant("Riverside Museum")
    zoo = await catalog.create_tenant("Zoo_2-Süd")
    assert await catalog.tenants() == [museum, zoo]
    assert await catalog.tenant(museum.id) == museum
    assert await catalog.tenant_by_name("Zoo_2-Süd") == zoo
    assert await catalog.tenant_by_name("Zoo_2-Su\u0308d") == zoo  # the same letters, composed otherwise
    keys = {await catalog.tenant_key(museum.id), await catalog.tenant_key(zoo.id)}
    assert [len(key) for key in keys] == [32, 32]
    await catalog.close()
    again = await Catalog.open(tmp_path, MASTER)
    assert {await again.tenant_key(museum.id), await again.tenant_key(zoo.id)} == keys
    await again.close()


async def test_nothing_readable_is_on_disk(catalog: Catalog, tmp_path: Path) -> None:
    tenant = await catalog.create_tenant("canary-tenant-name")
    key = await catalog.tenant_key(tenant.id)
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert b"canary" not in content
        assert tenant.id.encode() not in content
        assert key not in content


async def test_another_master_key_opens_nothing(catalog: Catalog, tmp_path: Path) -> None:
    await catalog.create_tenant("Museum")
    await catalog.close()
    with pytest.raises(KeyUnavailable):
        await Catalog.open(tmp_path, MasterKey(bytes(32)))


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a ", "a" * 65, "a/b", "a\n", "..", "a'b", "a\0", "\U0001f600"]
)
async def test_impossible_names_are_refused_and_not_repeated(catalog: Catalog, name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await catalog.create_tenant(name)
    assert caught.value.message.startswith("A tenant name is")


async def test_a_name_is_taken_once(catalog: Catalog) -> None:
    await catalog.create_tenant("a" * 64)
    with pytest.raises(Conflict):
        await catalog.create_tenant("a" * 64)
    assert len(await catalog.tenants()) == 1


async def test_unknown_things_are_not_found(catalog: Catalog) -> None:
    await catalog.create_tenant("Museum")
    with pytest.raises(NotFound):
        await catalog.tenant("none")
    with pytest.raises(NotFound):
        await catalog.tenant_by_name("none")
    with pytest.raises(NotFound):
        await catalog.tenant_key("none")
