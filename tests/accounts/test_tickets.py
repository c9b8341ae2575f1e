"""A ticket opens one socket, within 30 seconds, while its holder is still welcome."""

from __future__ import annotations

import pytest

from aura_local.accounts.tickets import Tickets
from aura_local.errors import AuthenticationFailed, TenantSuspended
from tests.accounts.world import World

pytestmark = pytest.mark.anyio


async def test_a_ticket_leads_to_its_principal_once(world: World) -> None:
    issued = await world.api_keys.issue(world.museum.id, "till")
    principal = await world.authenticator.authenticate(issued.key)
    ticket, other = world.tickets.issue(principal), world.tickets.issue(principal)
    assert ticket != other
    assert await world.authenticator.authenticate(ticket) == principal
    for presented in (ticket, ticket + "x", ticket.upper(), "ticket_", "ticket_" + "A" * 43):
        with pytest.raises(AuthenticationFailed):
            await world.authenticator.authenticate(presented)
    assert await world.authenticator.authenticate(other) == principal


@pytest.mark.parametrize(("age_s", "good"), [(29.999, True), (30.0, False)])
async def test_a_ticket_is_good_for_thirty_seconds_whatever_the_calendar(
    world: World, age_s: float, good: bool
) -> None:
    issued = await world.api_keys.issue(world.museum.id, "till")
    ticket = world.tickets.issue(await world.authenticator.authenticate(issued.key))
    world.clock.pass_s(3_600 * 24 * 3_653)
    world.clock.monotonic_s += age_s - 3_600 * 24 * 3_653
    if good:
        assert (await world.authenticator.authenticate(ticket)).id == issued.id
    else:
        with pytest.raises(AuthenticationFailed):
            await world.authenticator.authenticate(ticket)


async def test_a_ticket_outlives_nobody(world: World) -> None:
    issued = await world.api_keys.issue(world.museum.id, "till")
    principal = await world.authenticator.authenticate(issued.key)
    ticket, later = world.tickets.issue(principal), world.tickets.issue(principal)
    await world.set_tenant(world.museum, "status", "suspended")
    with pytest.raises(TenantSuspended):
        await world.authenticator.authenticate(ticket)
    await world.set_tenant(world.museum, "status", "active")
    await world.api_keys.revoke(world.museum.id, issued.id)
    for presented in (ticket, later):
        with pytest.raises(AuthenticationFailed):
            await world.authenticator.authenticate(presented)


async def test_a_ticket_of_a_visitor_stays_bound_to_the_origin(world: World) -> None:
    widget = await world.visitors.add_widget(world.museum.id, "widget", "site", ["https://museum.example"])
    token = await world.visitors.token_for_widget(widget.id, "https://museum.example")
    visitor = await world.authenticator.authenticate(token.token, origin="https://museum.example")
    for origin in ("https://evil.example", None):
        with pytest.raises(AuthenticationFailed):
            await world.authenticator.authenticate(world.tickets.issue(visitor), origin=origin)
    ticket = world.tickets.issue(visitor)
    assert await world.authenticator.authenticate(ticket, origin="https://museum.example") == visitor


async def test_no_more_wait_than_allowed(world: World) -> None:
    tickets = Tickets(world.clock.monotonic, most=3)
    issued = await world.api_keys.issue(world.museum.id, "till")
    principal = await world.authenticator.authenticate(issued.key)
    waiting = [tickets.issue(principal) for _ in range(4)]
    with pytest.raises(AuthenticationFailed):
        tickets.redeem(waiting[0])
    assert [tickets.redeem(ticket) for ticket in waiting[1:]] == [principal] * 3
    tickets.issue(principal)
    world.clock.pass_s(30)
    tickets.issue(principal)
    assert len(tickets._waiting) == 1
