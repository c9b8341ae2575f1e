"""What is under way is held once, and given back whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_local.errors import QuotaExceeded
from aura_local.metering.ledger import used_in_month
from aura_local.metering.reservation import Reservation
from aura_local.storage.database import Database
from aura_local.storage.tenant_tables import TENANT_MIGRATIONS
from tests.metering.tenant_usage import TENANT, Clock, quotas_of, spend

T = TypeVar("T")


@pytest.mark.anyio
async def test_ending_a_reservation_twice_gives_nothing_away(database: Database, clock: Clock) -> None:
    quotas = quotas_of(clock, language_model_tokens_per_month=100)
    one = await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 50})
    with await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 50}) as other:
        for end in (one.settle, one.release, one.settle):
            end()
        assert quotas.outstanding(TENANT) == {"prompt_tokens": 50}
        other.release()
        assert quotas.outstanding(TENANT) == {}
    assert quotas.outstanding(TENANT) == {}


@pytest.mark.anyio
@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError, KeyboardInterrupt])
async def test_a_block_gives_its_room_back_whatever_ends_it(
    database: Database, clock: Clock, error: type[BaseException]
) -> None:
    quotas = quotas_of(clock, language_model_tokens_per_month=100)
    with pytest.raises(error), await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 100}):
        raise error
    assert quotas.outstanding(TENANT) == {}


@pytest.mark.anyio
@pytest.mark.parametrize("checkpoints", range(6))
async def test_a_caller_that_is_cancelled_while_it_waits_holds_nothing(
    database: Database, clock: Clock, checkpoints: int
) -> None:
    quotas = quotas_of(clock, language_model_tokens_per_month=100)

    async def work() -> None:
        with await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 60}):
            await anyio.sleep_forever()

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    for _ in range(checkpoints):
        await anyio.lowlevel.checkpoint()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert quotas.outstanding(TENANT) == {}
    assert not quotas._outstanding, "something is kept for a tenant that does nothing"
    (await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 100})).release()


class Meanwhile:
    """A database with something happening between what it reads and who reads it."""

    def __init__(self, database: Database, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._meanwhile: Callable[[], Awaitable[None]] | None = meanwhile
        self.reads = 0

    async def read(self, query: Callable[[sqlite_utils.Database], T]) -> T:
        found = await self._database.read(query)
        self.reads += 1
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return found


@pytest.mark.anyio
@pytest.mark.parametrize(("spent", "wanted", "fits"), [(60, 40, True), (60, 41, False), (10, 90, True)])
async def test_what_is_settled_during_a_decision_is_counted_exactly_once(
    database: Database, clock: Clock, spent: int, wanted: int, fits: bool
) -> None:
    quotas = quotas_of(clock, language_model_tokens_per_month=100)
    running = await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 60})

    async def settle() -> None:
        await spend(database, "running", {"prompt_tokens": spent}, clock.moment)
        running.settle()

    between: Any = Meanwhile(database, settle)
    decision = quotas.reserve(between, TENANT, "small", {"prompt_tokens": wanted})
    if fits:
        (await decision).release()
    else:
        with pytest.raises(QuotaExceeded):
            await decision
    assert quotas.outstanding(TENANT) == {}


@st.composite
def works(draw: st.DrawFn) -> list[tuple[int, int, int, int, bool]]:
    """Amount reserved, how much of it is used, pauses before and during, and whether it is cancelled."""
    work = st.tuples(
        st.integers(0, 60), st.integers(0, 60), st.integers(0, 5), st.integers(0, 5), st.booleans()
    )
    return draw(st.lists(work, min_size=2, max_size=10))


@settings(max_examples=30, deadline=None)
@given(works())
def test_any_interleaving_stays_within_the_limit_and_adds_up(
    jobs: list[tuple[int, int, int, int, bool]],
) -> None:
    anyio.run(_interleave, jobs)


async def _interleave(jobs: list[tuple[int, int, int, int, bool]]) -> None:
    limit = 100
    clock = Clock()
    quotas = quotas_of(clock, language_model_tokens_per_month=limit)
    settled = 0

    async def pause(checkpoints: int) -> None:
        for _ in range(checkpoints):
            await anyio.lowlevel.checkpoint()

    async def work(number: int, job: tuple[int, int, int, int, bool]) -> None:
        nonlocal settled
        amount, part, before, during, cancelled = job
        await pause(before)
        try:
            reservation: Reservation = await quotas.reserve(
                database, TENANT, "small", {"prompt_tokens": amount}
            )
        except QuotaExceeded:
            return
        with reservation, anyio.CancelScope() as scope:
            await pause(during)
            if cancelled:
                scope.cancel()
            await anyio.lowlevel.checkpoint()
            used = min(part, amount)
            await spend(database, f"turn:{number}", {"generated_tokens": used}, clock.moment)
            settled += used
            if number % 2:
                reservation.settle()
        assert settled + quotas.outstanding(TENANT).get("prompt_tokens", 0) <= limit

    with TemporaryDirectory() as folder:
        database = await Database.open(Path(folder) / "tenant.sqlite", bytes(32), TENANT_MIGRATIONS)
        async with anyio.create_task_group() as tasks:
            for number, job in enumerate(jobs):
                tasks.start_soon(work, number, job)
        used = await database.read(used_in_month(clock.moment))
        await database.close()
    assert used.get("generated_tokens", 0) == settled <= limit
    assert quotas.outstanding(TENANT) == {}
