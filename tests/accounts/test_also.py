"""What cannot be recorded does not happen: every change runs its companion in the same transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from aura_local.storage.audit_table import AlsoWrite
from tests.accounts.world import PASSWORD, Refused, World, failing_also

pytestmark = pytest.mark.anyio

Change = Callable[[World, str, str, AlsoWrite], Awaitable[object]]

CHANGES: dict[str, Change] = {
    "issue a key": lambda w, user, key, also: w.api_keys.issue(w.museum.id, "x", also=also),
    "rotate a key": lambda w, user, key, also: w.api_keys.rotate(
        w.museum.id, key, overlap=timedelta(0), also=also
    ),
    "revoke a key": lambda w, user, key, also: w.api_keys.revoke(w.museum.id, key, also=also),
    "set up": lambda w, user, key, also: w.links.setup_link(also=also),
    "invite": lambda w, user, key, also: w.links.invite(w.museum.id, "b@b.example", "viewer", also=also),
    "reset": lambda w, user, key, also: w.links.reset(w.museum.id, user, also=also),
    "sign in": lambda w, user, key, also: w.logins.login_as(user, also=also),
    "change a password": lambda w, user, key, also: w.directory.change_password(
        user, PASSWORD, "another long password", also=also
    ),
    "add a kiosk": lambda w, user, key, also: w.visitors.add_widget(w.museum.id, "kiosk", "x", also=also),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_failing_companion_undoes_the_change(world: World, change: Change) -> None:
    user = await world.join("ada@museum.example")
    key = await world.api_keys.issue(world.museum.id, "till")
    await world.keys.current()
    before = await world.everything()
    with pytest.raises(Refused):
        await change(world, user.id, key.id, failing_also)
    assert await world.everything() == before
    seen: list[str] = []
    await change(world, user.id, key.id, lambda _, subject: seen.append(subject))
    assert len(seen) == 1
    assert seen[0]
    assert await world.everything() != before
