"""A link works once, for what it was made, until it expires; two people cannot both use it."""

from __future__ import annotations

import anyio
import pytest

from aura_local.accounts.users import User
from aura_local.errors import AuthenticationFailed, Conflict, InvalidRequest, NotFound, TenantSuspended
from tests.accounts.world import PASSWORD, Refused, World, failing_also

pytestmark = pytest.mark.anyio

ADA = "ada@museum.example"
OTHER_PASSWORD = "another long password"


async def redeem(world: World, secret: str, email: str | None = None, password: str = PASSWORD) -> User:
    return await world.links.redeem(secret, password=password, name="Ada", email=email)


async def refused(world: World, secret: str) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        await redeem(world, secret, "somebody@else.example")
    assert caught.value.message == "The credential is missing, malformed, unknown, expired or revoked."


async def test_set_up_makes_one_owner_and_no_second(world: World) -> None:
    first = await world.links.setup_link()
    second = await world.links.setup_link()
    assert first is not None
    assert second is not None
    await refused(world, first)  # a later link voids the earlier
    owner = await redeem(world, second, " Owner@Example.ORG ")
    assert (owner.email, owner.role, owner.tenant_id, owner.name) == (
        "owner@example.org",
        "owner",
        None,
        "Ada",
    )
    assert await world.links.setup_link() is None
    await refused(world, second)
    tokens = await world.logins.login("owner@example.org", PASSWORD, address="10.0.0.1")
    assert (await world.authenticator.authenticate(tokens.access_token)).tenant_id is None


async def test_a_set_up_link_is_void_once_there_is_an_owner_by_any_way(world: World) -> None:
    secret = await world.links.setup_link()
    assert secret is not None
    await world.join("owner@example.org", "owner")
    await refused(world, secret)
    assert len(await world.directory.users(None)) == 1


async def test_an_invitation_decides_address_role_and_tenant(world: World) -> None:
    invitation = await world.links.invite(world.museum.id, ADA.upper(), "viewer")
    assert invitation.secret not in repr(invitation) + repr(await world.everything())
    user = await redeem(world, invitation.secret, email="owner@example.org")
    assert (user.email, user.role, user.tenant_id) == (ADA, "viewer", world.museum.id)
    await refused(world, invitation.secret)
    with pytest.raises(Conflict):
        await world.links.invite(world.museum.id, ADA, "admin")


@pytest.mark.parametrize("secret", ["", "x", "A" * 43, "A" * 44, "\udc80" * 43, "%", "' OR 1=1 --"])
async def test_wrong_secrets(world: World, secret: str) -> None:
    await world.links.setup_link()
    await world.links.invite(world.museum.id, ADA, "admin")
    await refused(world, secret)


@pytest.mark.parametrize("off_s", [-3_600, 0, 86_399, 86_400, 7 * 86_400 - 1, 7 * 86_400, 3_653 * 86_400])
async def test_links_expire_on_any_clock(world: World, off_s: int) -> None:
    user = await world.join("bob@museum.example")
    links = {
        "setup": (await world.links.setup_link() or "", 86_400),
        "invitation": ((await world.links.invite(world.museum.id, ADA, "viewer")).secret, 7 * 86_400),
        "reset": ((await world.links.reset(world.museum.id, user.id)).secret, 86_400),
    }
    world.clock.pass_s(off_s)
    for secret, lifetime_s in links.values():
        if off_s < lifetime_s:
            await redeem(world, secret, "owner@example.org")
        else:
            await refused(world, secret)


async def test_purposes_are_not_mixed_up(world: World) -> None:
    user = await world.join(ADA, "viewer")
    reset = await world.links.reset(world.museum.id, user.id)
    again = await redeem(world, reset.secret, "owner@example.org", OTHER_PASSWORD)
    assert (again.id, again.email, again.role, again.name) == (user.id, ADA, "viewer", "ada")
    assert len(await world.directory.users(None)) == 0
    invitation = await world.links.invite(world.museum.id, "bob@museum.example", "viewer")
    for column, value in (("purpose", "reset"), ("role", None)):
        await world.execute(f"UPDATE links SET {column} = ? WHERE email = 'bob@museum.example'", value)
    with pytest.raises(AuthenticationFailed):
        await redeem(world, invitation.secret)
    setup = await world.links.setup_link() or ""
    with pytest.raises(InvalidRequest):
        await redeem(world, setup)  # a set-up needs an address
    tokens = await world.logins.login(ADA, OTHER_PASSWORD, address="10.0.0.1")
    for credential in (setup, reset.secret, invitation.secret, tokens.refresh_token):
        with pytest.raises(AuthenticationFailed):
            await world.authenticator.authenticate(credential)
        with pytest.raises(AuthenticationFailed):
            await world.logins.refresh(credential if credential != tokens.refresh_token else "")
        if credential != setup:
            await refused(world, credential)


async def test_a_reset_ends_every_session_and_the_old_password(world: World) -> None:
    user = await world.join(ADA)
    tokens = await world.logins.login(ADA, PASSWORD, address="10.0.0.1")
    principal = await world.authenticator.authenticate(tokens.access_token)
    first = await world.links.reset(world.museum.id, user.id)
    second = await world.links.reset(world.museum.id, user.id)
    await refused(world, first.secret)
    assert await world.authenticator.still_good(principal)  # not before the link is used
    await redeem(world, second.secret, password=OTHER_PASSWORD)
    assert not await world.authenticator.still_good(principal)
    with pytest.raises(AuthenticationFailed):
        await world.logins.refresh(tokens.refresh_token)
    with pytest.raises(AuthenticationFailed):
        await world.logins.login(ADA, PASSWORD, address="10.0.0.1")
    await world.logins.login(ADA, OTHER_PASSWORD, address="10.0.0.1")
    await refused(world, second.secret)


async def test_two_at_once_make_one_person(world: World) -> None:
    setup, invitation = (
        await world.links.setup_link(),
        await world.links.invite(world.museum.id, ADA, "viewer"),
    )
    for secret in (setup or "", invitation.secret):
        outcomes: list[str] = []

        async def attempt(number: int, secret: str = secret, outcomes: list[str] = outcomes) -> None:
            try:
                outcomes.append((await redeem(world, secret, f"{number}@example.org")).id)
            except AuthenticationFailed:
                outcomes.append("")

        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(attempt, number)
        assert sorted(map(bool, outcomes)) == [False] * 5 + [True]
    assert len(await world.rows("SELECT 1 FROM users")) == 2


async def test_a_link_survives_a_mistake(world: World) -> None:
    invitation = await world.links.invite(world.museum.id, ADA, "viewer")
    before = await world.everything()
    for password, name in (("short", "Ada"), (PASSWORD, ""), (PASSWORD, "a\nb"), (PASSWORD, "a" * 101)):
        with pytest.raises(InvalidRequest):
            await world.links.redeem(invitation.secret, password=password, name=name)
    with pytest.raises(Refused):
        await world.links.redeem(invitation.secret, password=PASSWORD, name="Ada", also=failing_also)
    assert await world.everything() == before
    await redeem(world, invitation.secret)


async def test_nobody_without_a_link_makes_us_hash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unexpected(_password: str) -> str:
        raise AssertionError

    monkeypatch.setattr(world.passwords, "hash", unexpected)
    await refused(world, "A" * 43)


@pytest.mark.parametrize(
    "email",
    ["", "@", "a@", "@b", "a b@c", "a@b\n", "a@b@c", "a\0@b", "a" * 65 + "@b", "a@" + "b" * 253, "\udc80@b"],
)
async def test_impossible_addresses(world: World, email: str) -> None:
    if email == "a@b\n":  # what is around an address does not matter
        email = "a@b\nc"
    with pytest.raises(InvalidRequest) as caught:
        await world.links.invite(world.museum.id, email, "viewer")
    assert len(email) < 2 or email not in caught.value.message


async def test_addresses_are_one_whatever_their_case_and_composition(world: World) -> None:
    await world.join("J\u00d6RG@Museum.Example")
    with pytest.raises(Conflict):
        await world.links.invite(world.museum.id, "jo\u0308rg@museum.example", "viewer")


async def test_who_may_be_invited_where(world: World) -> None:
    with pytest.raises(NotFound):
        await world.links.invite("none", ADA, "viewer")
    for tenant_id, role in ((None, "viewer"), (world.museum.id, "owner"), (world.museum.id, "service")):
        with pytest.raises(InvalidRequest):
            await world.links.invite(tenant_id, ADA, role)  # type: ignore[arg-type]
    user = await world.join(ADA)
    with pytest.raises(NotFound):
        await world.links.reset(world.zoo.id, user.id)
    foreign = await world.links.invite(world.zoo.id, ADA, "viewer")  # says nothing of the museum's people
    with pytest.raises(Conflict):
        await redeem(world, foreign.secret)


async def test_suspension_stops_links(world: World) -> None:
    await world.join("boss@museum.example", "admin")
    user = await world.join("bob@museum.example")
    reset = await world.links.reset(world.museum.id, user.id)
    invitation = await world.links.invite(world.museum.id, ADA, "viewer")
    await world.directory.set_status(world.museum.id, user.id, "suspended")
    await refused(world, reset.secret)
    await world.set_tenant(world.museum, "status", "suspended")
    with pytest.raises(TenantSuspended):
        await redeem(world, invitation.secret)


async def test_old_links_are_swept_out(world: World) -> None:
    for number in range(3):
        await world.links.invite(world.museum.id, f"{number}@museum.example", "viewer")
    world.clock.pass_s(7 * 86_400)
    await world.links.invite(world.museum.id, ADA, "viewer")
    assert len(await world.rows("SELECT 1 FROM links")) == 1
