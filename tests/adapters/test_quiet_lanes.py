"""Work in the background takes the cores that nobody else needs, and gives them back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial

import anyio
import pytest

from aura_local.adapters.quiet_lanes import MOST_LANES, QUIET_S, QuietLanes
from aura_local.cores import CoreBudget
from aura_local.errors import EngineUnavailable
from aura_local.ports import Caller, Priority
from tests.support.blocker import PATIENCE_S

pytestmark = pytest.mark.anyio

CALLER = Caller("museum", Priority.BACKGROUND)


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def lanes(clock: Clock) -> AsyncIterator[QuietLanes]:
    lanes = QuietLanes("test", CoreBudget(2, clock=clock))
    yield lanes
    await lanes.close()


async def test_two_work_at_once_while_all_is_quiet(lanes: QuietLanes) -> None:
    together = threading.Barrier(2)
    await lanes.run_all([partial(together.wait, PATIENCE_S)] * 6, caller=CALLER)  # type: ignore[list-item]


async def test_one_works_while_somebody_has_just_been_served(lanes: QuietLanes, clock: Clock) -> None:
    with lanes._budget.hold(Priority.VOICE):
        pass
    threads: set[int] = set()

    def note() -> None:
        threads.add(threading.get_ident())

    clock.now_s += QUIET_S * 0.9
    await lanes.run_all([note] * 50, caller=CALLER)
    assert len(threads) == 1
    clock.now_s += QUIET_S * 0.1
    together = threading.Barrier(2)
    await lanes.run_all([partial(together.wait, PATIENCE_S)] * 2, caller=CALLER)  # type: ignore[list-item]


async def test_a_helper_leaves_when_somebody_comes(lanes: QuietLanes) -> None:
    together, threads = threading.Barrier(2), list[int]()

    def meet() -> None:
        together.wait(PATIENCE_S)

    def note() -> None:
        with lanes._budget.hold(Priority.VOICE):
            threads.append(threading.get_ident())

    quanta: list[Callable[[], None]] = [meet, meet, *[note] * 40]
    await lanes.run_all(quanta, caller=CALLER)
    assert len(threads) == 40
    # The helper's may have been on its way when the first voice came, and end whenever it ends.
    assert sorted(Counter(threads).values()) in ([40], [1, 39])


async def test_every_quantum_runs_once_and_none_is_fine(lanes: QuietLanes) -> None:
    done: list[int] = []
    await lanes.run_all([partial(done.append, number) for number in range(100)], caller=CALLER)
    await lanes.run_all([], caller=CALLER)
    assert sorted(done) == list(range(100))


async def test_a_failure_is_raised_as_it_is(lanes: QuietLanes) -> None:
    def fail() -> None:
        raise EngineUnavailable("broken")

    done: list[int] = []
    quanta: list[Callable[[], None]] = [fail, *[partial(done.append, number) for number in range(3)]]
    with pytest.raises(EngineUnavailable, match="broken"):
        await lanes.run_all(quanta, caller=CALLER)
    await lanes.run_all([partial(done.append, 9)], caller=CALLER)
    assert done[-1] == 9


async def test_cancelling_leaves_out_what_has_not_begun(lanes: QuietLanes) -> None:
    begun, go_on, done = anyio.Event(), threading.Event(), list[int]()

    def wait() -> None:
        anyio.from_thread.run_sync(begun.set, token=token)
        go_on.wait(PATIENCE_S)

    token = anyio.lowlevel.current_token()
    async with anyio.create_task_group() as group:
        group.start_soon(partial(lanes.run_all, [wait, wait, *[partial(done.append, 1)] * 5], caller=CALLER))
        await begun.wait()
        group.cancel_scope.cancel()
    go_on.set()
    await lanes.close()
    assert done == []


@pytest.mark.parametrize(("cores", "count"), [(1, 1), (2, 2), (64, MOST_LANES)])
def test_there_are_no_more_lanes_than_cores(cores: int, count: int) -> None:
    assert len(QuietLanes("test", CoreBudget(cores))) == count
