"""Every credential is good until its lifetime is over, whatever that is set to, and no moment longer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aura_local.accounts.api_keys import ApiKeys
from aura_local.accounts.authenticator import Authenticator
from aura_local.accounts.links import Links
from aura_local.accounts.logins import Logins
from aura_local.accounts.sign_in_attempts import SignInAttempts
from aura_local.accounts.signing_keys import SigningKeys, TokenLifetimes
from aura_local.accounts.throttle import Throttle
from aura_local.accounts.tickets import Tickets
from aura_local.accounts.visitors import Visitors
from aura_local.errors import AuthenticationFailed, InvalidRequest, TooManyRequests
from tests.accounts.world import PASSWORD, Clock, World

pytestmark = pytest.mark.anyio

JUST_BEFORE_S = 0.999
"""Into the last second: tokens count whole ones."""


def issuing(world: World, *, access_s: int = 600, visitor_s: int = 600) -> SigningKeys:
    lifetimes = TokenLifetimes(access_s, visitor_s)
    return SigningKeys(world.database, lifetimes=lifetimes, now=world.clock.now, clock=world.clock.monotonic)


def looking(world: World, keys: SigningKeys) -> Authenticator:
    return Authenticator(
        world.database, keys, world.tickets, now=world.clock.now, clock=world.clock.monotonic
    )


@pytest.mark.parametrize("lifetime_s", [60, 3600])
async def test_an_access_token(world: World, lifetime_s: int) -> None:
    user, keys = await world.join("ada@museum.example"), issuing(world, access_s=lifetime_s, visitor_s=10)
    tokens = await Logins(world.database, keys, now=world.clock.now).login_as(user.id)
    assert tokens.expires_in_s == lifetime_s
    world.clock.pass_s(lifetime_s - 1 + JUST_BEFORE_S)
    assert (await looking(world, keys).authenticate(tokens.access_token)).id == user.id
    world.clock.pass_s(1 - JUST_BEFORE_S)
    with pytest.raises(AuthenticationFailed):
        await looking(world, keys).authenticate(tokens.access_token)


async def test_a_shorter_lifetime_ends_tokens_that_were_issued_for_longer(world: World) -> None:
    user = await world.join("ada@museum.example")
    tokens = await Logins(world.database, issuing(world, access_s=3600), now=world.clock.now).login_as(
        user.id
    )
    for access_s, good in ((3600, True), (3599, False)):
        if good:
            await looking(world, issuing(world, access_s=access_s)).authenticate(tokens.access_token)
        else:
            with pytest.raises(AuthenticationFailed):
                await looking(world, issuing(world, access_s=access_s)).authenticate(tokens.access_token)


async def test_a_retired_key_verifies_as_long_as_its_longest_tokens(world: World) -> None:
    keys = issuing(world, access_s=10, visitor_s=7200)
    await world.set_tenant(world.museum, "public_page", 1)
    issued = await Visitors(world.database, keys, now=world.clock.now).token_for_public_page(world.museum.id)
    await keys.rotate()
    world.clock.pass_s(7199)
    assert (await looking(world, keys).authenticate(issued.token)).kind == "visitor"


@pytest.mark.parametrize("lifetime_s", [60, 3600])
async def test_a_visitors_token(world: World, lifetime_s: int) -> None:
    await world.set_tenant(world.museum, "public_page", 1)
    keys = issuing(world, access_s=10, visitor_s=lifetime_s)
    issued = await Visitors(world.database, keys, now=world.clock.now).token_for_public_page(world.museum.id)
    assert issued.expires_in_s == lifetime_s
    world.clock.pass_s(lifetime_s - 1 + JUST_BEFORE_S)
    assert (await looking(world, keys).authenticate(issued.token)).kind == "visitor"
    world.clock.pass_s(1 - JUST_BEFORE_S)
    with pytest.raises(AuthenticationFailed):
        await looking(world, keys).authenticate(issued.token)


async def test_a_refresh_token(world: World) -> None:
    user, lifetime = await world.join("ada@museum.example"), timedelta(days=3)
    logins = Logins(world.database, world.keys, now=world.clock.now, refresh_lifetime=lifetime)
    early, late = await logins.login_as(user.id), await logins.login_as(user.id)
    assert early.refresh_expires_in_s == 3 * 24 * 3600
    world.clock.pass_s(lifetime.total_seconds() - 0.001)
    renewed = await logins.refresh(early.refresh_token)
    world.clock.pass_s(0.001)
    with pytest.raises(AuthenticationFailed):
        await logins.refresh(late.refresh_token)
    await logins.refresh(renewed.refresh_token)  # counted from its own beginning


@pytest.mark.parametrize(("after_s", "good"), [(4.999, True), (5.0, False)])
async def test_a_ticket(world: World, after_s: float, good: bool) -> None:
    principal = await world.authenticator.authenticate(
        (await world.api_keys.issue(world.museum.id, "till")).key
    )
    tickets = Tickets(world.clock.monotonic, lifetime_s=5.0)
    ticket = tickets.issue(principal)
    world.clock.pass_s(after_s)
    if good:
        assert tickets.redeem(ticket) == principal
    else:
        with pytest.raises(AuthenticationFailed):
            tickets.redeem(ticket)


@pytest.mark.parametrize(("after_s", "good"), [(-0.001, True), (0.0, False)])
@pytest.mark.parametrize(("purpose", "lifetime_s"), [("setup", 60), ("invitation", 120), ("reset", 180)])
async def test_a_link(world: World, purpose: str, lifetime_s: int, after_s: float, good: bool) -> None:
    lifetimes = {
        name: timedelta(seconds=s) for name, s in (("setup", 60), ("invitation", 120), ("reset", 180))
    }
    links = Links(world.database, now=world.clock.now, lifetimes=lifetimes, passwords=world.passwords)  # type: ignore[arg-type]
    if purpose == "setup":
        secret = await links.setup_link() or ""
    elif purpose == "invitation":
        secret = (await links.invite(world.museum.id, "ada@museum.example", "viewer")).secret
    else:
        secret = (await links.reset(world.museum.id, (await world.join("ada@museum.example")).id)).secret
    world.clock.pass_s(lifetime_s + after_s)
    redeeming = links.redeem(secret, password=PASSWORD, name="Ada", email="owner@example.org")
    if good:
        await redeeming
    else:
        with pytest.raises(AuthenticationFailed):
            await redeeming


async def test_the_overlap_of_rotated_keys(world: World) -> None:
    keys = ApiKeys(world.database, now=world.clock.now, longest_overlap=timedelta(hours=2))
    issued = await keys.issue(world.museum.id, "till")
    with pytest.raises(InvalidRequest, match="at most 2 hours"):
        await keys.rotate(world.museum.id, issued.id, overlap=timedelta(hours=2, microseconds=1))
    await keys.rotate(world.museum.id, issued.id, overlap=timedelta(hours=2))


@pytest.mark.parametrize(("after_s", "good"), [(9.999, True), (10.0, False)])
async def test_a_sign_in_at_the_identity_provider(after_s: float, good: bool) -> None:
    clock = Clock()
    attempts = SignInAttempts(clock.monotonic, lifetime_s=10.0)
    begun = attempts.begin()
    clock.pass_s(after_s)
    if good:
        assert attempts.finish(begun.state, begun.secret) == begun
    else:
        with pytest.raises(AuthenticationFailed):
            attempts.finish(begun.state, begun.secret)


@pytest.mark.parametrize("attempts", [1, 5, 7])
async def test_failed_sign_ins_up_to_the_limit_and_within_the_window(attempts: int) -> None:
    clock = Clock()
    throttle = Throttle(attempts=attempts, window_s=60.0, clock=clock.monotonic)
    for _ in range(attempts):
        throttle.begin("ada@museum.example", None)
        clock.pass_s(1)
    with pytest.raises(TooManyRequests) as refused:
        throttle.begin("ada@museum.example", None)
    # Until the first of them is as old as the window.
    assert refused.value.retry_after_s == 60 - attempts
    assert f"try again in {60 - attempts} s" in refused.value.message
    clock.pass_s(60 - attempts - 0.001)
    with pytest.raises(TooManyRequests):
        throttle.begin("ada@museum.example", None)
    clock.pass_s(0.001)
    throttle.begin("ada@museum.example", None)


async def test_the_wait_is_the_longer_one_of_account_and_address() -> None:
    clock = Clock()
    throttle = Throttle(attempts=1, window_s=60.0, clock=clock.monotonic)
    throttle.begin("ada@museum.example", None)
    clock.pass_s(10)
    throttle.begin("bob@museum.example", "10.0.0.1")
    for account, address, wait_s in (
        ("ada@museum.example", None, 50),
        ("ada@museum.example", "10.0.0.1", 60),
        ("eve@museum.example", "10.0.0.1", 60),
    ):
        with pytest.raises(TooManyRequests) as refused:
            throttle.begin(account, address)
        assert refused.value.retry_after_s == wait_s
