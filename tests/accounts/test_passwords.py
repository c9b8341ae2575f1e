"""Passwords: what is accepted, what is stored, and that it costs the same whoever asks."""

from __future__ import annotations

import threading
from typing import Literal

import anyio
import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from aura_local.accounts.passwords import WAITING_LIMIT, Passwords, checked_password
from aura_local.errors import Busy, InvalidRequest
from tests.accounts.world import CHEAP

pytestmark = pytest.mark.anyio


class Counting(PasswordHasher):
    """Counts the work it does, and can be held up."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.work = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.go_on.wait(10)
        self.work += 1
        return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.work += 1
        return super().verify(hash, password)


@pytest.mark.parametrize("written", ["", "a" * 11, "a" * 129, "a" * 12 + "\udc80", "e\u0301" * 6])
def test_impossible_passwords(written: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        checked_password(written)
    assert not written or written not in caught.value.message


async def test_the_bounds_and_composition() -> None:
    passwords = Passwords(CHEAP)
    for written in ("a" * 12, "a" * 128, "\u00e9" * 12, " spaces count too "):
        stored = await passwords.hash(checked_password(written))
        assert await passwords.matches(stored, written)
        assert not await passwords.matches(stored, written + "x")
    stored = await passwords.hash(checked_password("e\u0301" * 128))
    assert await passwords.matches(stored, "\u00e9" * 128)
    assert await passwords.matches(stored, "e\u0301" * 128)


async def test_the_product_hashes_with_64_mib_and_three_passes() -> None:
    stored = await Passwords().hash("correct horse battery")
    parameters = extract_parameters(stored)
    assert (parameters.type, parameters.memory_cost, parameters.time_cost) == (Type.ID, 65_536, 3)
    assert len({await Passwords(CHEAP).hash("the same") for _ in range(2)}) == 2  # salted


async def test_every_comparison_costs_one_hash() -> None:
    hasher = Counting()
    passwords = Passwords(hasher)
    stored = await passwords.hash("correct horse battery")
    for hash_, presented in (
        (stored, "correct horse battery"),
        (stored, "wrong"),
        (None, "correct horse battery"),
        (stored, "x" * 1_000_000),
        (stored, "\udc80"),
        (None, ""),
    ):
        before = hasher.work
        assert await passwords.matches(hash_, presented) is (
            presented == "correct horse battery" and hash_ is stored
        )
        assert hasher.work == before + 1
    assert not await passwords.matches("damaged", "correct horse battery")


async def test_a_crowd_is_refused_and_nobody_else_works_meanwhile() -> None:
    hasher = Counting()
    passwords = Passwords(hasher)
    hasher.go_on.clear()
    outcomes: list[str] = []

    async def one() -> None:
        try:
            await passwords.matches(None, "x")
            outcomes.append("compared")
        except Busy:
            outcomes.append("busy")

    async with anyio.create_task_group() as tasks:
        for _ in range(1 + WAITING_LIMIT + 3):
            tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        assert outcomes == ["busy"] * 3
        hasher.go_on.set()
    assert outcomes.count("compared") == 1 + WAITING_LIMIT


async def test_other_parameters_are_noticed() -> None:
    stored = await Passwords(CHEAP).hash("correct horse battery")
    assert not Passwords(CHEAP).outdated(stored)
    assert Passwords(PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)).outdated(stored)
