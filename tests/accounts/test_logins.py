"""Signing in and staying so: the same refusal for all, and one stolen refresh token ends its family."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Literal

import anyio
import anyio.to_thread
import pytest
from argon2 import PasswordHasher

from aura_local.accounts.directory import Directory
from aura_local.accounts.logins import Logins, Tokens
from aura_local.accounts.passwords import Passwords
from aura_local.errors import AuraError, AuthenticationFailed, TenantSuspended, TooManyRequests
from tests.accounts.world import CHEAP, PASSWORD, Refused, World, failing_also

pytestmark = pytest.mark.anyio

ADA = "ada@museum.example"


class Counting(PasswordHasher):
    """Counts the hashes that are computed."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.work = 0

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.work += 1
        return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.work += 1
        return super().verify(hash, password)


async def login(
    world: World, email: str = ADA, password: str = PASSWORD, address: str = "10.0.0.1"
) -> Tokens:
    return await world.logins.login(email, password, address=address)


async def test_a_person_signs_in(world: World) -> None:
    user = await world.join(ADA, "viewer")
    noted: list[str] = []
    tokens = await world.logins.login(
        "  ADA@Museum.Example ", PASSWORD, address="10.0.0.1", also=lambda _, user_id: noted.append(user_id)
    )
    assert (tokens.expires_in_s, tokens.refresh_expires_in_s) == (600, 14 * 86_400)
    assert tokens.access_token not in repr(tokens)
    assert tokens.refresh_token not in repr(tokens)
    principal = await world.authenticator.authenticate(tokens.access_token)
    assert (principal.subject, principal.tenant_id, principal.role) == (
        f"user:{user.id}",
        world.museum.id,
        "viewer",
    )
    assert noted == [user.id]
    assert (await world.directory.user(world.museum.id, user.id)).last_login_at is not None
    assert tokens.refresh_token not in repr(await world.everything())


async def test_every_refusal_is_the_same_and_costs_the_same(world: World) -> None:
    hasher = Counting()
    world.logins = Logins(world.database, world.keys, now=world.clock.now, passwords=Passwords(hasher))
    await world.join("boss@museum.example", "admin")
    ada, eve, bob = [await world.join(f"{name}@museum.example") for name in ("ada", "eve", "bob")]
    await world.directory.set_status(world.museum.id, eve.id, "suspended")
    await world.execute("UPDATE users SET password_hash = NULL WHERE id = ?", bob.id)
    messages = set()
    cases = [
        (ada.email, "wrong wrong wrong"),
        (ada.email, ""),
        (ada.email, "x" * 100_000),
        (ada.email, "\udc80" * 12),
        (eve.email, PASSWORD),
        (bob.email, PASSWORD),
        (bob.email, ""),
        ("nobody@museum.example", PASSWORD),
        ("not an address", PASSWORD),
        ("' OR 1=1 --@x", PASSWORD),
        ("\udc80@museum.example", PASSWORD),
        ("", ""),
    ]
    for number, (email, password) in enumerate(cases):
        before = hasher.work
        with pytest.raises(AuthenticationFailed) as caught:
            await login(world, email, password, address=f"10.0.0.{number}")
        assert hasher.work == before + 1, email
        messages.add(caught.value.message)
    assert len(messages) == 1
    await login(world)


async def test_the_sixth_failure_is_refused_before_any_work_and_forgotten_later(world: World) -> None:
    hasher = Counting()
    world.logins = Logins(
        world.database, world.keys, now=world.clock.now, passwords=Passwords(hasher), throttle=world.throttle
    )
    await world.join(ADA)
    for _ in range(5):
        with pytest.raises(AuthenticationFailed):
            await login(world, password="wrong wrong wrong")
    for email, password in ((ADA, PASSWORD), ("nobody@museum.example", PASSWORD)):
        with pytest.raises(TooManyRequests):
            await login(world, email, password)
    assert hasher.work == 5
    world.clock.pass_s(15 * 60)
    for _ in range(8):
        await login(world)  # who knows the password is not counted


async def test_many_attempts_at_once_are_still_five(world: World) -> None:
    await world.join(ADA)
    outcomes: list[type] = []

    async def attempt(number: int) -> None:
        try:
            await login(world, password="wrong wrong wrong", address=f"10.0.0.{number}")
        except AuraError as error:
            outcomes.append(type(error))

    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(attempt, number)
    assert outcomes.count(AuthenticationFailed) == 5
    assert outcomes.count(TooManyRequests) == 7


async def test_a_suspended_tenant_is_told_only_to_those_who_know_the_password(world: World) -> None:
    await world.join(ADA)
    tokens = await login(world)
    await world.set_tenant(world.museum, "status", "suspended")
    with pytest.raises(TenantSuspended):
        await login(world)
    with pytest.raises(AuthenticationFailed):
        await login(world, password="wrong wrong wrong")
    with pytest.raises(TenantSuspended):
        await world.logins.refresh(tokens.refresh_token)
    await world.set_tenant(world.museum, "status", "active")
    await world.logins.refresh(tokens.refresh_token)  # it had not been used up


async def test_old_hashes_are_made_anew(world: World) -> None:
    user = await world.join(ADA)
    stronger = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    world.logins = Logins(world.database, world.keys, now=world.clock.now, passwords=Passwords(stronger))
    hashes = []
    for _ in range(2):
        await login(world)
        (row,) = await world.rows("SELECT password_hash FROM users WHERE id = ?", user.id)
        hashes.append(row["password_hash"])
    assert hashes[0] == hashes[1]
    assert not stronger.check_needs_rehash(hashes[0])
    assert CHEAP.check_needs_rehash(hashes[0])


async def test_an_identity_providers_word_is_enough(world: World) -> None:
    user = await world.join(ADA)
    tokens = await world.logins.login_as(user.id)
    assert (await world.authenticator.authenticate(tokens.access_token)).id == user.id
    await world.directory.set_status(world.museum.id, user.id, "suspended")
    for user_id in (user.id, "nobody"):
        with pytest.raises(AuthenticationFailed):
            await world.logins.login_as(user_id)


async def test_reuse_of_a_refresh_token_ends_the_whole_family_and_no_other(world: World) -> None:
    await world.join(ADA)
    other = await login(world)
    chain = [await login(world)]
    for _ in range(3):
        chain.append(await world.logins.refresh(chain[-1].refresh_token))
    with pytest.raises(AuthenticationFailed):
        await world.logins.refresh(chain[1].refresh_token)
    for tokens in chain:  # the newest, which was never used, above all
        with pytest.raises(AuthenticationFailed):
            await world.logins.refresh(tokens.refresh_token)
    await world.logins.refresh(other.refresh_token)


async def test_two_refreshes_at_once_do_not_both_win(world: World) -> None:
    await world.join(ADA)
    first = await login(world)
    won: list[Tokens] = []

    async def refresh() -> None:
        with suppress(AuthenticationFailed):
            won.append(await world.logins.refresh(first.refresh_token))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(refresh)
        tasks.start_soon(refresh)
    assert len(won) == 1
    with pytest.raises(AuthenticationFailed):
        await world.logins.refresh(won[0].refresh_token)  # which of the two was the thief is not known


@pytest.mark.parametrize(
    ("off_s", "good"),
    [(-3_600, True), (86_400, True), (14 * 86_400 - 1, True), (14 * 86_400, False), (3_653 * 86_400, False)],
)
async def test_a_refresh_token_lasts_fourteen_days_on_any_clock(world: World, off_s: int, good: bool) -> None:
    await world.join(ADA)
    tokens = await login(world)
    world.clock.pass_s(off_s)
    if good:
        renewed = await world.logins.refresh(tokens.refresh_token)
        await world.authenticator.authenticate(renewed.access_token)
    else:
        with pytest.raises(AuthenticationFailed):
            await world.logins.refresh(tokens.refresh_token)


@pytest.mark.parametrize("presented", ["", "x", "A" * 43, "A" * 100_000, "\udc80" * 43, "' OR 1=1 --"])
async def test_unknown_refresh_tokens(world: World, presented: str) -> None:
    with pytest.raises(AuthenticationFailed):
        await world.logins.refresh(presented)
    await world.logins.logout(presented)


async def test_logout_ends_the_family(world: World) -> None:
    user = await world.join(ADA)
    first = await login(world)
    second = await world.logins.refresh(first.refresh_token)
    noted: list[str] = []
    await world.logins.logout(second.refresh_token, also=lambda _, user_id: noted.append(user_id))
    assert noted == [user.id]
    with pytest.raises(AuthenticationFailed):
        await world.logins.refresh(second.refresh_token)


async def test_expired_tokens_are_swept_out(world: World) -> None:
    await world.join(ADA)
    for _ in range(3):
        await login(world)
    world.clock.pass_s(14 * 86_400)
    await login(world)
    assert len(await world.rows("SELECT 1 FROM refresh_tokens")) == 1


async def test_a_login_that_cannot_be_recorded_does_not_happen(world: World) -> None:
    await world.join(ADA)
    before = await world.everything()
    with pytest.raises(Refused):
        await world.logins.login(ADA, PASSWORD, address="10.0.0.1", also=failing_also)
    assert await world.everything() == before


class Slow(PasswordHasher):
    """Goes on comparing until the test lets it."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.begun.set()
        self.go_on.wait(10)
        return super().verify(hash, password)


@pytest.mark.parametrize("changing", [False, True])
@pytest.mark.parametrize("suspended", [False, True])
async def test_what_changes_while_a_password_is_compared_counts(
    world: World, changing: bool, suspended: bool
) -> None:
    user, hasher = await world.join(ADA), Slow()
    passwords = Passwords(hasher)
    logins = Logins(world.database, world.keys, now=world.clock.now, passwords=passwords)
    directory = Directory(world.database, now=world.clock.now, passwords=passwords)
    refused: list[bool] = []

    async def attempt() -> None:
        try:
            if changing:
                await directory.change_password(user.id, PASSWORD, "another long password")
            else:
                await logins.login(ADA, PASSWORD, address="10.0.0.1")
        except AuthenticationFailed:
            refused.append(True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(attempt)
        await anyio.to_thread.run_sync(hasher.begun.wait, 10)
        if suspended:
            await world.directory.set_status(world.museum.id, user.id, "suspended")
        else:
            reset = await world.links.reset(world.museum.id, user.id)
            await world.links.redeem(reset.secret, password="a third long password")
        before = await world.everything()
        hasher.go_on.set()
    assert refused == [True]
    assert await world.everything() == before
