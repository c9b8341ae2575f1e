"""People are changed within their tenant, lose their sessions by it, and never all their administrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from aura_local.accounts.permissions import ROLES
from aura_local.accounts.users import User
from aura_local.errors import AuthenticationFailed, Conflict, InvalidRequest, NotFound, TooManyRequests
from aura_local.storage.audit_table import AlsoWrite
from tests.accounts.world import PASSWORD, Refused, World, failing_also

pytestmark = pytest.mark.anyio

NEW_PASSWORD = "another long password"
Act = Callable[[World, str | None, str, AlsoWrite | None], Awaitable[object]]

ENDING: dict[str, Act] = {
    "suspend": lambda w, tenant, user, also: w.directory.set_status(tenant, user, "suspended", also=also),
    "demote": lambda w, tenant, user, also: w.directory.set_role(tenant, user, "viewer", also=also),
    "remove": lambda w, tenant, user, also: w.directory.remove(tenant, user, also=also),
}
ACTS: dict[str, Act] = {
    **ENDING,
    "rename": lambda w, tenant, user, also: w.directory.rename(tenant, user, "Else", also=also),
}


async def test_each_tenant_has_its_own_people(world: World) -> None:
    ada, bob = await world.join("ada@museum.example"), await world.join("bob@zoo.example", tenant=world.zoo)
    owner = await world.join("owner@example.org", "owner")
    assert await world.directory.users(world.museum.id) == [ada]
    assert await world.directory.users(world.zoo.id) == [bob]
    assert await world.directory.users(None) == [owner]
    assert await world.directory.user(world.museum.id, ada.id) == ada
    assert ada.email not in repr(ada)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
async def test_another_tenants_person_does_not_exist(world: World, act: Act) -> None:
    await world.join("boss@museum.example", "admin")
    ada = await world.join("ada@museum.example")
    before = await world.everything()
    for tenant_id, user_id in ((world.zoo.id, ada.id), (None, ada.id), (world.museum.id, "nobody")):
        with pytest.raises((NotFound, InvalidRequest)) as caught:
            await act(world, tenant_id, user_id, None)
        assert caught.type is NotFound or tenant_id is None  # nobody of the platform is a viewer
        with pytest.raises(NotFound):
            await world.directory.user(tenant_id, user_id)
    assert await world.everything() == before


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
async def test_a_change_that_cannot_be_recorded_does_not_happen(world: World, act: Act) -> None:
    await world.join("boss@museum.example", "admin")
    ada = await world.join("ada@museum.example")
    await world.logins.login(ada.email, PASSWORD, address="10.0.0.1")
    before = await world.everything()
    with pytest.raises(Refused):
        await act(world, world.museum.id, ada.id, failing_also)
    assert await world.everything() == before
    noted: list[str] = []
    await act(world, world.museum.id, ada.id, lambda _, user_id: noted.append(user_id))
    assert noted == [ada.id]


@pytest.mark.parametrize("act", ENDING.values(), ids=ENDING.keys())
async def test_sessions_end(world: World, act: Act) -> None:
    ada = await world.join("ada@museum.example")
    tokens = await world.logins.login(ada.email, PASSWORD, address="10.0.0.1")
    principal = await world.authenticator.authenticate(tokens.access_token)
    world.clock.pass_s(0.001)
    await act(world, world.museum.id, ada.id, None)
    assert not await world.authenticator.still_good(principal)  # an open socket learns it at once
    world.clock.pass_s(0.999)
    with pytest.raises(AuthenticationFailed):
        await world.authenticator.authenticate(tokens.access_token)
    with pytest.raises(AuthenticationFailed):
        await world.logins.refresh(tokens.refresh_token)


async def test_coming_back_does_not_bring_old_tokens_back(world: World) -> None:
    ada = await world.join("ada@museum.example")
    tokens = await world.logins.login(ada.email, PASSWORD, address="10.0.0.1")
    await world.directory.set_status(world.museum.id, ada.id, "suspended")
    await world.directory.set_status(world.museum.id, ada.id, "active")
    with pytest.raises(AuthenticationFailed):
        await world.authenticator.authenticate(tokens.access_token)
    with pytest.raises(AuthenticationFailed):
        await world.logins.refresh(tokens.refresh_token)
    await world.logins.login(ada.email, PASSWORD, address="10.0.0.1")


@pytest.mark.parametrize("act", ENDING.values(), ids=ENDING.keys())
async def test_the_last_active_admin_stays(world: World, act: Act) -> None:
    first = await world.join("first@museum.example", "admin")
    await world.join("admin@zoo.example", "admin", world.zoo)  # another tenant's does not help
    await world.join("owner@example.org", "owner")
    second = await world.join("second@museum.example", "admin")
    await world.directory.set_status(world.museum.id, second.id, "suspended")  # nor does a suspended one
    before = await world.everything()
    with pytest.raises(Conflict):
        await act(world, world.museum.id, first.id, None)
    assert await world.everything() == before
    await world.directory.set_status(world.museum.id, second.id, "active")
    await act(world, world.museum.id, first.id, None)
    with pytest.raises(Conflict):
        await act(world, world.museum.id, second.id, None)


@pytest.mark.parametrize("act", [ENDING["suspend"], ENDING["remove"]], ids=["suspend", "remove"])
async def test_the_last_active_owner_stays(world: World, act: Act) -> None:
    first = await world.join("first@example.org", "owner")
    await world.join("admin@museum.example", "admin")
    with pytest.raises(Conflict):
        await act(world, None, first.id, None)
    second = await world.join("second@example.org", "owner")
    await act(world, None, first.id, None)
    with pytest.raises(Conflict):
        await act(world, None, second.id, None)


async def test_roles_stay_on_their_side(world: World) -> None:
    owner, ada = await world.join("owner@example.org", "owner"), await world.join("ada@museum.example")
    for tenant_id, user_id, role in (
        (world.museum.id, ada.id, "owner"),
        (None, owner.id, "admin"),
        (world.museum.id, ada.id, "service"),
        (world.museum.id, ada.id, ""),
    ):
        with pytest.raises(InvalidRequest):
            await world.directory.set_role(tenant_id, user_id, role)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest):
        await world.directory.set_status(world.museum.id, ada.id, "deleted")  # type: ignore[arg-type]


async def test_what_one_is_already_changes_nothing(world: World) -> None:
    ada = await world.join("ada@museum.example", "admin")
    assert await world.directory.set_role(world.museum.id, ada.id, "admin", also=failing_also) == ada
    assert await world.directory.set_status(world.museum.id, ada.id, "active", also=failing_also) == ada


async def test_a_new_role_takes_effect(world: World) -> None:
    ada = await world.join("ada@museum.example", "viewer")
    await world.directory.set_role(world.museum.id, ada.id, "admin")
    tokens = await world.logins.login(ada.email, PASSWORD, address="10.0.0.1")
    principal = await world.authenticator.authenticate(tokens.access_token)
    assert (principal.role, principal.permissions) == ("admin", ROLES["admin"])


async def test_people_are_removed_with_all_they_hold(world: World) -> None:
    ada = await world.join("ada@museum.example")
    await world.logins.login(ada.email, PASSWORD, address="10.0.0.1")
    await world.links.reset(world.museum.id, ada.id)
    await world.directory.remove(world.museum.id, ada.id)
    assert ada.id not in repr(await world.everything())
    await world.join("ada@museum.example", tenant=world.zoo)  # the address is free again


async def change(world: World, user: User, old: str, new: str, also: AlsoWrite | None = None) -> None:
    await world.directory.change_password(user.id, old, new, also=also)


async def test_a_changed_password_ends_everything_else(world: World) -> None:
    ada = await world.join("ada@museum.example")
    tokens = await world.logins.login(ada.email, PASSWORD, address="10.0.0.1")
    principal = await world.authenticator.authenticate(tokens.access_token)
    reset = await world.links.reset(world.museum.id, ada.id)
    before = await world.everything()
    with pytest.raises(AuthenticationFailed):
        await change(world, ada, "wrong wrong wrong", NEW_PASSWORD)
    with pytest.raises(InvalidRequest):
        await change(world, ada, PASSWORD, "short")
    with pytest.raises(Refused):
        await change(world, ada, PASSWORD, NEW_PASSWORD, failing_also)
    assert await world.everything() == before
    await change(world, ada, PASSWORD, NEW_PASSWORD)
    assert not await world.authenticator.still_good(principal)
    for attempt in (
        world.logins.refresh(tokens.refresh_token),
        world.links.redeem(reset.secret, password=PASSWORD),
        world.logins.login(ada.email, PASSWORD, address="10.0.0.1"),
    ):
        with pytest.raises(AuthenticationFailed):
            await attempt
    await world.logins.login(ada.email, NEW_PASSWORD, address="10.0.0.1")


async def test_the_old_password_cannot_be_guessed_here_either(world: World) -> None:
    ada = await world.join("ada@museum.example")
    for _ in range(5):
        with pytest.raises(AuthenticationFailed):
            await change(world, ada, "wrong wrong wrong", NEW_PASSWORD)
    with pytest.raises(TooManyRequests):
        await change(world, ada, PASSWORD, NEW_PASSWORD)
    with pytest.raises(TooManyRequests):
        await world.logins.login(ada.email, PASSWORD, address="10.0.0.1")
