"""A key is shown once, opens its tenant, and stops opening it within a second of being revoked."""

# ruff: noqa: ASYNC240 - a test has the loop to itself
from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aura_local.accounts.credentials import Authenticator, authenticate, issue
from aura_local.accounts.principal import Principal
from aura_local.errors import AuthenticationFailed, NotFound
from aura_local.storage.catalog import Catalog, Tenant
from aura_local.storage.keys import MasterKey

pytestmark = pytest.mark.anyio


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    catalog = await Catalog.open(tmp_path, MasterKey(bytes(32)))
    yield catalog
    await catalog.close()


@pytest.fixture
async def tenant(catalog: Catalog) -> Tenant:
    return await catalog.create_tenant("Museum")


async def test_an_issued_key_leads_to_its_tenant(catalog: Catalog, tenant: Tenant) -> None:
    other = await catalog.create_tenant("Other")
    issued, foreign = await issue(catalog, tenant.id, "page"), await issue(catalog, other.id, "page")
    assert re.fullmatch(r"aura_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", issued.key)
    assert issued.key.startswith(f"aura_{issued.prefix}_")
    assert await authenticate(catalog, issued.key) == Principal(tenant.id, issued.id, "page")
    assert (await authenticate(catalog, foreign.key)).tenant_id == other.id
    assert (await catalog.find_api_key(issued.prefix)).last_used_at is not None
    with pytest.raises(NotFound):
        await issue(catalog, "none", "page")


async def test_the_secret_is_nowhere(catalog: Catalog, tenant: Tenant, tmp_path: Path) -> None:
    issued = await issue(catalog, tenant.id, "page")
    secret = issued.key.split("_", 2)[2]
    assert secret not in repr(issued)
    assert secret.encode() not in b"".join(repr(row).encode() for row in await catalog.api_keys(tenant.id))
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()


async def test_every_refusal_is_the_same(catalog: Catalog, tenant: Tenant) -> None:
    issued, revoked = await issue(catalog, tenant.id, "a"), await issue(catalog, tenant.id, "b")
    await catalog.revoke_api_key(tenant.id, revoked.id)
    prefix, secret = issued.prefix, issued.key[-43:]
    wrong_secret = ("B" if secret[0] == "A" else "A") + secret[1:]
    refused = [
        "",
        "aura_",
        "Bearer " + issued.key,
        issued.key + "\n",
        issued.key[:-1],
        issued.key.upper(),
        f"aura_{prefix}_{wrong_secret}",
        f"aura_{'0' * 12}_{secret}",
        f"aura_{prefix}_{'é' * 43}",
        "\udc80" * 61,
        "a" * 100_000,
        revoked.key,
        f"aura_{revoked.prefix}_{secret}",
    ]
    messages = set()
    for presented in refused:
        for check in (lambda key: authenticate(catalog, key), Authenticator(catalog).authenticate):
            with pytest.raises(AuthenticationFailed) as caught:
                await check(presented)
            messages.add((type(caught.value), caught.value.code, caught.value.message))
    assert len(messages) == 1
    await authenticate(catalog, issued.key)


async def test_revocation_takes_effect_within_a_second(
    catalog: Catalog, tenant: Tenant, clock: Clock
) -> None:
    authenticator = Authenticator(catalog, clock=clock)
    issued = await issue(catalog, tenant.id, "page")
    principal = await authenticator.authenticate(issued.key)
    clock.now_s += 0.5
    await catalog.revoke_api_key(tenant.id, issued.id)
    assert await authenticator.authenticate(issued.key) == principal  # remembered, and not for longer
    clock.now_s += 0.5
    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            await authenticator.authenticate(issued.key)


async def test_a_second_look_needs_no_database(catalog: Catalog, tenant: Tenant, clock: Clock) -> None:
    authenticator = Authenticator(catalog, clock=clock)
    issued = await issue(catalog, tenant.id, "page")
    principal = await authenticator.authenticate(issued.key)
    await catalog.close()
    assert await authenticator.authenticate(issued.key) == principal


async def test_the_memory_is_bounded(
    catalog: Catalog, tenant: Tenant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aura_local.accounts.credentials.CACHE_ENTRIES", 5)
    authenticator = Authenticator(catalog, clock=clock)
    for number in range(10):
        await authenticator.authenticate((await issue(catalog, tenant.id, str(number))).key)
        assert len(authenticator._known) <= 5
    clock.now_s += 1
    await authenticator.authenticate((await issue(catalog, tenant.id, "late")).key)
    assert len(authenticator._known) == 1  # what expired is forgotten
