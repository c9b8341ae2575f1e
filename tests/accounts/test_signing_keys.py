"""The ring of signing keys: rotation signs nobody out, and a retired key signs nothing new."""

from __future__ import annotations

import anyio
import pytest

from aura_local.accounts.signing_keys import SigningKeys
from aura_local.errors import AuthenticationFailed
from tests.accounts.forge import Forge
from tests.accounts.world import PASSWORD, Refused, World, failing_also

pytestmark = pytest.mark.anyio


async def test_the_first_key_is_made_once_and_kept(world: World) -> None:
    keys = []

    async def ask() -> None:
        keys.append(await world.keys.current())

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    assert len({key.id for key in keys}) == 1
    assert len(keys[0].secret) == 32
    assert repr(keys[0].secret) not in repr(keys[0])
    again = SigningKeys(world.database, now=world.clock.now, clock=world.clock.monotonic)
    assert await again.current() == keys[0]


async def test_rotation_signs_nobody_out(world: World) -> None:
    await world.join("ada@museum.example")
    before = await world.logins.login("ada@museum.example", PASSWORD, address="10.0.0.1")
    old = await world.keys.current()
    new_id = await world.keys.rotate()
    assert (await world.keys.current()).id == new_id != old.id
    after = await world.logins.login("ada@museum.example", PASSWORD, address="10.0.0.1")
    for tokens in (before, after):
        await world.authenticator.authenticate(tokens.access_token)
    world.clock.pass_s(599)
    await world.authenticator.authenticate(before.access_token)
    world.clock.pass_s(1)
    with pytest.raises(AuthenticationFailed):
        await world.authenticator.authenticate(before.access_token)


async def test_a_retired_key_signs_nothing_new_and_is_deleted_in_the_end(world: World) -> None:
    user = await world.join("ada@museum.example")
    old = await world.keys.current()
    await world.keys.rotate()
    for after_s, good in ((5, True), (1, False), (594, False)):
        world.clock.pass_s(after_s)
        token = Forge(world, old, user).token()  # as a thief of the old key would
        if good:
            await world.authenticator.authenticate(token)
        else:
            with pytest.raises(AuthenticationFailed):
                await world.authenticator.authenticate(token)
    assert await world.keys.find(old.id) is not None
    world.clock.pass_s(11)
    assert await world.keys.find(old.id) is None
    await world.keys.rotate()
    assert old.id not in {row["id"] for row in await world.rows("SELECT id FROM signing_keys")}


async def test_another_process_that_rotates_is_noticed_within_a_second(world: World) -> None:
    old = await world.keys.current()
    new_id = await SigningKeys(world.database, now=world.clock.now).rotate()
    world.clock.pass_s(0.999)
    assert (await world.keys.current()).id == old.id
    world.clock.pass_s(0.001)
    assert (await world.keys.current()).id == new_id


async def test_a_rotation_that_cannot_be_recorded_does_not_happen(world: World) -> None:
    old = await world.keys.current()
    with pytest.raises(Refused):
        await world.keys.rotate(also=failing_also)
    world.clock.pass_s(2)
    assert await world.keys.current() == old
