"""A key is shown once, has the scopes and the time it was given, and belongs to one tenant."""

# ruff: noqa: ASYNC240 - a test has the loop to itself
from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aura_local.accounts.permissions import ROLES, USUAL_SCOPES, authorize
from aura_local.errors import AuthenticationFailed, Conflict, InvalidRequest, NotFound, PermissionDenied
from tests.accounts.world import World

pytestmark = pytest.mark.anyio


async def test_a_key_is_listed_without_its_secret(world: World, tmp_path: Path) -> None:
    first = await world.api_keys.issue(world.museum.id, "canary-label")
    world.clock.pass_s(1)
    second = await world.api_keys.issue(world.museum.id, "till")
    await world.api_keys.issue(world.zoo.id, "foreign")
    assert re.fullmatch(r"aura_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", first.key)
    assert first.key.startswith(f"aura_{first.prefix}_")
    listed = await world.api_keys.of_tenant(world.museum.id)
    assert [key.id for key in listed] == [first.id, second.id]
    assert listed[0] == await world.api_keys.find(first.prefix)
    assert listed[0].scopes == USUAL_SCOPES
    secret = first.key.split("_", 2)[2]
    assert secret not in repr(first) + repr(await world.everything())
    assert repr(listed[0].digest) not in repr(listed[0])
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()
        assert b"canary-label" not in file.read_bytes()


async def test_another_tenants_key_does_not_exist(world: World) -> None:
    issued = await world.api_keys.issue(world.museum.id, "till")
    before = await world.everything()
    with pytest.raises(NotFound):
        await world.api_keys.revoke(world.zoo.id, issued.id)
    with pytest.raises(NotFound):
        await world.api_keys.rotate(world.zoo.id, issued.id, overlap=timedelta(0))
    with pytest.raises(NotFound):
        await world.api_keys.issue("none", "till")
    with pytest.raises(NotFound):
        await world.api_keys.find("none")
    assert await world.everything() == before


async def test_revoking_twice_keeps_the_first_time(world: World) -> None:
    issued = await world.api_keys.issue(world.museum.id, "till")
    noted: list[str] = []
    for _ in range(2):
        await world.api_keys.revoke(world.museum.id, issued.id, also=lambda _, key_id: noted.append(key_id))
        world.clock.pass_s(60)
    assert (await world.api_keys.find(issued.prefix)).revoked_at == "2026-06-01T12:00:00.000+00:00"
    assert noted == [issued.id]


async def test_a_key_can_do_what_its_scopes_say(world: World) -> None:
    issued = await world.api_keys.issue(world.museum.id, "kiosk", scopes=frozenset({"talk"}))
    principal = await world.authenticator.authenticate(issued.key)
    authorize(principal, "talk")
    for permission in ROLES["service"] - {"talk"}:
        with pytest.raises(PermissionDenied):
            authorize(principal, permission)
    for impossible in (frozenset(), frozenset({"platform.manage"}), frozenset({"talk", "everything"})):
        with pytest.raises(InvalidRequest):
            await world.api_keys.issue(world.museum.id, "kiosk", scopes=impossible)  # type: ignore[arg-type]


async def test_keys_from_before_scopes_have_the_usual_ones_and_unknown_scopes_are_worth_nothing(
    world: World,
) -> None:
    issued = await world.api_keys.issue(world.museum.id, "till")
    await world.execute("UPDATE api_keys SET scopes = NULL")
    assert (await world.api_keys.find(issued.prefix)).scopes == USUAL_SCOPES
    await world.execute("UPDATE api_keys SET scopes = 'talk platform.manage of.tomorrow'")
    assert (await world.api_keys.find(issued.prefix)).scopes == {"talk"}


@pytest.mark.parametrize("label", ["a" * 101, "a\nb", "a\0", "\udc80"])
async def test_impossible_labels_are_refused(world: World, label: str) -> None:
    with pytest.raises(InvalidRequest):
        await world.api_keys.issue(world.museum.id, label)


async def test_a_key_ends_at_its_expiry_even_while_remembered(world: World) -> None:
    expiry = world.clock.moment + timedelta(milliseconds=500)
    issued = await world.api_keys.issue(world.museum.id, "till", expires_at=expiry)
    principal = await world.authenticator.authenticate(issued.key)
    assert await world.authenticator.still_good(principal)
    world.clock.pass_s(0.499)
    assert await world.authenticator.authenticate(issued.key) == principal
    world.clock.pass_s(0.001)
    with pytest.raises(AuthenticationFailed):
        await world.authenticator.authenticate(issued.key)
    assert not await world.authenticator.still_good(principal)


async def test_an_expiry_must_be_ahead_and_have_a_time_zone(world: World) -> None:
    for expiry in (world.clock.moment, world.clock.moment - timedelta(days=1), datetime(2030, 1, 1)):
        with pytest.raises(InvalidRequest):
            await world.api_keys.issue(world.museum.id, "till", expires_at=expiry)


@pytest.mark.parametrize(
    ("hours", "old_works", "new_works"),
    [(-1, True, True), (23, True, True), (24, False, True), (24 * 3_653, False, True)],
)
async def test_rotation_overlaps_on_any_clock(
    world: World, hours: int, old_works: bool, new_works: bool
) -> None:
    scopes = frozenset({"talk", "status.read"})
    old = await world.api_keys.issue(world.museum.id, "till", scopes=scopes)  # type: ignore[arg-type]
    new = await world.api_keys.rotate(world.museum.id, old.id, overlap=timedelta(days=1))
    renewed = await world.api_keys.find(new.prefix)
    assert (renewed.label, renewed.scopes, renewed.expires_at) == ("till", scopes, None)
    world.clock.pass_s(hours * 3_600)
    for key, works in ((old.key, old_works), (new.key, new_works)):
        if works:
            await world.authenticator.authenticate(key)
        else:
            with pytest.raises(AuthenticationFailed):
                await world.authenticator.authenticate(key)


async def test_the_bounds_of_an_overlap(world: World) -> None:
    old = await world.api_keys.issue(world.museum.id, "till")
    for overlap in (timedelta(days=7, milliseconds=1), timedelta(milliseconds=-1)):
        with pytest.raises(InvalidRequest):
            await world.api_keys.rotate(world.museum.id, old.id, overlap=overlap)
    new = await world.api_keys.rotate(world.museum.id, old.id, overlap=timedelta(days=7))
    await world.api_keys.rotate(world.museum.id, new.id, overlap=timedelta(0))
    with pytest.raises(AuthenticationFailed):
        await world.authenticator.authenticate(new.key)
    with pytest.raises(Conflict):
        await world.api_keys.rotate(world.museum.id, new.id, overlap=timedelta(0))


async def test_rotation_prolongs_neither_the_old_key_nor_the_lifetime(world: World) -> None:
    start = world.clock.moment
    old = await world.api_keys.issue(world.museum.id, "till", expires_at=start + timedelta(days=3))
    world.clock.pass_s(2 * 86_400)
    new = await world.api_keys.rotate(world.museum.id, old.id, overlap=timedelta(days=7))
    assert (await world.api_keys.find(old.prefix)).expires_at == "2026-06-04T12:00:00.000+00:00"
    assert (await world.api_keys.find(new.prefix)).expires_at == "2026-06-06T12:00:00.000+00:00"


async def test_use_is_noted_at_most_once_a_minute(world: World) -> None:
    issued = await world.api_keys.issue(world.museum.id, "till")
    noted = []
    for step_s in (25, 25, 25, -3_600, 0):
        await world.api_keys.touch(issued.id)
        noted.append(((await world.api_keys.find(issued.prefix)).last_used_at or "")[11:19])
        world.clock.pass_s(step_s)
    assert noted == ["12:00:00", "12:00:00", "12:00:00", "12:01:15", "11:01:15"]
