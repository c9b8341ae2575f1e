"""One way in for every kind of credential, and one answer to all that are not good."""

from __future__ import annotations

import pytest

from aura_local.accounts.permissions import USUAL_SCOPES
from aura_local.accounts.principal import Principal, operator
from aura_local.errors import AuthenticationFailed, TenantSuspended
from tests.accounts.world import PASSWORD, World

pytestmark = pytest.mark.anyio


async def test_an_issued_key_leads_to_its_tenant(world: World) -> None:
    issued = await world.api_keys.issue(world.museum.id, "page")
    foreign = await world.api_keys.issue(world.zoo.id, "page")
    assert await world.authenticator.authenticate(issued.key) == Principal(
        "key", issued.id, world.museum.id, "service", USUAL_SCOPES, "page"
    )
    assert (await world.authenticator.authenticate(foreign.key)).tenant_id == world.zoo.id
    assert (await world.api_keys.find(issued.prefix)).last_used_at is not None


async def test_every_refusal_is_the_same(world: World) -> None:
    issued, revoked = [await world.api_keys.issue(world.museum.id, label) for label in "ab"]
    await world.api_keys.revoke(world.museum.id, revoked.id)
    prefix, secret = issued.prefix, issued.key[-43:]
    wrong_secret = ("B" if secret[0] == "A" else "A") + secret[1:]
    messages = set()
    for presented in (
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
        "a.b.c",
        "..",
        "ticket_" + secret,
        revoked.key,
        f"aura_{revoked.prefix}_{secret}",
    ):
        with pytest.raises(AuthenticationFailed) as caught:
            await world.authenticator.authenticate(presented)
        messages.add((type(caught.value), caught.value.code, caught.value.message))
    assert len(messages) == 1
    await world.authenticator.authenticate(issued.key)


async def test_revocation_takes_effect_within_a_second_and_at_once_on_open_sockets(world: World) -> None:
    issued = await world.api_keys.issue(world.museum.id, "page")
    principal = await world.authenticator.authenticate(issued.key)
    assert await world.authenticator.still_good(principal)
    world.clock.pass_s(0.5)
    await world.api_keys.revoke(world.museum.id, issued.id)
    assert not await world.authenticator.still_good(principal)
    assert await world.authenticator.authenticate(issued.key) == principal  # remembered, and not for longer
    world.clock.pass_s(0.5)
    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            await world.authenticator.authenticate(issued.key)


async def test_a_second_look_needs_no_database(world: World) -> None:
    await world.join("ada@museum.example")
    issued = await world.api_keys.issue(world.museum.id, "page")
    tokens = await world.logins.login("ada@museum.example", PASSWORD, address="10.0.0.1")
    credentials = (issued.key, tokens.access_token)
    principals = [await world.authenticator.authenticate(one) for one in credentials]
    await world.catalog.close()
    assert [await world.authenticator.authenticate(one) for one in credentials] == principals


async def test_the_memory_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aura_local.accounts.authenticator.CACHE_ENTRIES", 5)
    for number in range(10):
        issued = await world.api_keys.issue(world.museum.id, str(number))
        await world.authenticator.authenticate(issued.key)
        assert len(world.authenticator._known) <= 5
    world.clock.pass_s(1)
    await world.authenticator.authenticate((await world.api_keys.issue(world.museum.id, "late")).key)
    assert len(world.authenticator._known) == 1  # what expired is forgotten


async def test_suspending_a_tenant_stops_every_kind_of_credential_and_says_so(world: World) -> None:
    await world.join("ada@museum.example")
    await world.set_tenant(world.museum, "public_page", 1)
    issued = await world.api_keys.issue(world.museum.id, "page")
    tokens = await world.logins.login("ada@museum.example", PASSWORD, address="10.0.0.1")
    visitor = await world.visitors.token_for_public_page(world.museum.id)
    credentials = [issued.key, tokens.access_token, visitor.token]
    principals = [await world.authenticator.authenticate(one) for one in credentials]
    credentials += [world.tickets.issue(principal) for principal in principals]
    await world.set_tenant(world.museum, "status", "suspended")
    world.clock.pass_s(1)
    for one in credentials:
        with pytest.raises(TenantSuspended):
            await world.authenticator.authenticate(one)
    for principal in principals:
        assert not await world.authenticator.still_good(principal)
    await world.set_tenant(world.museum, "status", "active")
    for principal in principals:
        assert await world.authenticator.still_good(principal)


async def test_nothing_of_an_erased_tenant_is_good(world: World) -> None:
    await world.join("ada@museum.example")
    await world.set_tenant(world.museum, "public_page", 1)
    kiosk = await world.visitors.add_widget(world.museum.id, "kiosk", "entrance")
    issued = await world.api_keys.issue(world.museum.id, "page")
    tokens = await world.logins.login("ada@museum.example", PASSWORD, address="10.0.0.1")
    visitors = [
        await world.visitors.token_for_public_page(world.museum.id),
        await world.visitors.token_for_kiosk(kiosk.secret or ""),
    ]
    credentials = [issued.key, tokens.access_token, *(visitor.token for visitor in visitors)]
    principals = [await world.authenticator.authenticate(one) for one in credentials]
    credentials += [world.tickets.issue(principal) for principal in principals]
    await world.execute("DELETE FROM tenants WHERE id = ?", world.museum.id)
    world.clock.pass_s(1)
    for one in credentials:
        with pytest.raises(AuthenticationFailed):
            await world.authenticator.authenticate(one)
    for principal in principals:
        assert not await world.authenticator.still_good(principal)


async def test_an_open_socket_outlives_the_token_it_began_with(world: World) -> None:
    await world.join("ada@museum.example")
    tokens = await world.logins.login("ada@museum.example", PASSWORD, address="10.0.0.1")
    principal = await world.authenticator.authenticate(tokens.access_token)
    world.clock.pass_s(3_600)
    assert await world.authenticator.still_good(principal)
    with pytest.raises(AuthenticationFailed):
        await world.authenticator.authenticate(tokens.access_token)


async def test_the_operator_of_the_machine_is_always_welcome(world: World) -> None:
    assert await world.authenticator.still_good(operator(world.museum.id))
