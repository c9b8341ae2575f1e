"""One thread per engine: order, bounds, cancellation and the way out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import anyio
import pytest

from aura_local.cores import CoreBudget
from aura_local.errors import EngineUnavailable, LaneBusy
from aura_local.lanes import Lane, StopToken
from aura_local.ports import Caller, Priority
from tests.support.blocker import PATIENCE_S, Blocker

pytestmark = pytest.mark.anyio

VOICE = Caller("a", Priority.VOICE)
CHAT = Caller("a", Priority.CHAT)


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    lane = Lane("test", CoreBudget(1), waiting_limit=3)
    yield lane
    await lane.close()


async def until_waiting(lane: Lane, count: int) -> None:
    for _ in range(10_000):
        if lane.waiting == count:
            return
        await anyio.lowlevel.checkpoint()
    raise AssertionError(f"{lane.waiting} jobs wait, not {count}")


async def test_work_runs_on_one_thread_of_its_own(lane: Lane) -> None:
    threads = {await lane.run(threading.get_ident, caller=VOICE) for _ in range(3)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


async def test_errors_cross_and_the_lane_lives_on(lane: Lane) -> None:
    def fail() -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        await lane.run(fail, caller=VOICE)
    assert await lane.run(lambda: 3, caller=VOICE) == 3


async def test_an_exhausted_iterator_is_an_error_and_no_endless_wait(lane: Lane) -> None:
    with anyio.fail_after(PATIENCE_S), pytest.raises(RuntimeError, match="StopIteration"):
        await lane.run(lambda: next(iter(())), caller=VOICE)


async def test_voice_overtakes_chat_and_tenants_take_turns(lane: Lane) -> None:
    blocker = Blocker()
    served: list[str] = []

    async def ask(name: str, caller: Caller) -> None:
        await lane.run(lambda: served.append(name), caller=caller)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: lane.run(blocker, caller=VOICE))
        await blocker.begun()
        for count, (name, caller) in enumerate(
            [("chat", CHAT), ("a1", VOICE), ("b1", Caller("b", Priority.VOICE))], start=1
        ):
            tasks.start_soon(ask, name, caller)
            await until_waiting(lane, count)
        blocker.release.set()
    assert served == ["a1", "b1", "chat"]


async def test_a_full_queue_refuses_and_recovers(lane: Lane) -> None:
    blocker = Blocker()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: lane.run(blocker, caller=VOICE))
        await blocker.begun()
        for count in range(1, 4):
            tasks.start_soon(lambda: lane.run(int, caller=VOICE))
            await until_waiting(lane, count)
        with pytest.raises(LaneBusy):
            await lane.run(int, caller=VOICE)
        with pytest.raises(LaneBusy):
            async with lane.stream(lambda stop: iter("never"), caller=VOICE):
                pass
        blocker.release.set()
    assert await lane.run(lambda: "again", caller=VOICE) == "again"


async def test_cancelled_while_waiting_it_is_never_begun(lane: Lane) -> None:
    blocker = Blocker()
    begun = threading.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: lane.run(blocker, caller=VOICE))
        await blocker.begun()
        async with anyio.create_task_group() as impatient:
            impatient.start_soon(lambda: lane.run(begun.set, caller=VOICE))
            await until_waiting(lane, 1)
            impatient.cancel_scope.cancel()
        assert lane.waiting == 0
        blocker.release.set()
    await lane.run(int, caller=VOICE)
    assert not begun.is_set()


async def test_cancelled_while_running_its_result_is_dropped(lane: Lane) -> None:
    blocker = Blocker()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: lane.run(blocker, caller=VOICE))
        await blocker.begun()
        tasks.cancel_scope.cancel()
    blocker.release.set()
    assert await lane.run(lambda: "next", caller=VOICE) == "next"


async def test_closing_fails_what_waits_and_waits_for_what_runs() -> None:
    lane = Lane("test", CoreBudget(1))
    blocker = Blocker()
    results: list[object] = []

    async def ask(work: Callable[[], object]) -> None:
        try:
            results.append(await lane.run(work, caller=VOICE))
        except EngineUnavailable as error:
            results.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, blocker)
        await blocker.begun()
        tasks.start_soon(ask, lambda: "never")
        await until_waiting(lane, 1)
        tasks.start_soon(lane.close)
        await anyio.lowlevel.checkpoint()
        with pytest.raises(EngineUnavailable, match="closed"):
            await lane.run(int, caller=VOICE)
        blocker.release.set()
    assert results[0] == "blocked"
    assert isinstance(results[1], EngineUnavailable)
    await lane.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "lane test"]


async def test_a_lane_that_never_worked_closes_at_once() -> None:
    lane = Lane("idle", CoreBudget(1))
    await lane.close()
    with pytest.raises(EngineUnavailable):
        await lane.run(int, caller=VOICE)


def test_a_loop_that_is_gone_does_not_kill_the_lane() -> None:
    """Work outlives the loop that asked for it; the next loop is served all the same."""
    lane = Lane("test", CoreBudget(1))
    blocker = Blocker()

    async def leave_in_the_middle() -> None:
        asking = asyncio.ensure_future(lane.run(blocker, caller=VOICE))
        await blocker.begun()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    async def ask_again() -> str:
        blocker.release.set()
        answer = await lane.run(lambda: "alive", caller=VOICE)
        await lane.close()
        return answer

    asyncio.run(leave_in_the_middle())
    assert asyncio.run(ask_again()) == "alive"


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_person_does_not_wait_for_an_engine_without_end(streamed: bool) -> None:
    lane = Lane("test", CoreBudget(1, queue_wait_s=0.05))
    blocker = Blocker()
    began: list[str] = []

    def produce(_stop: StopToken) -> Iterator[str]:
        began.append("stream")
        yield from ()

    async def ask() -> None:
        if not streamed:
            await lane.run(lambda: began.append("run"), caller=CHAT)
            return
        async with lane.stream(produce, caller=CHAT) as items:
            async for _ in items:
                pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: lane.run(blocker, caller=VOICE))
        await blocker.begun()
        with anyio.fail_after(PATIENCE_S), pytest.raises(LaneBusy, match=r"busy for 0\.05 s") as refused:
            await ask()
        assert refused.value.retryable
        assert lane.waiting == 0
        blocker.release.set()
    await lane.run(lambda: None, caller=VOICE)
    assert began == [], "what was refused must not run later"
    await lane.close()


async def test_work_in_the_background_waits_its_turn_and_begun_work_is_not_cut() -> None:
    lane = Lane("test", CoreBudget(1, queue_wait_s=0.02))
    blocker = Blocker()
    results: list[str] = []

    async def work(job: Callable[[], str], caller: Caller) -> None:
        results.append(await lane.run(job, caller=caller))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, blocker, VOICE)
        await blocker.begun()
        tasks.start_soon(work, lambda: "indexed", Caller("a", Priority.BACKGROUND))
        await anyio.sleep(0.06)
        blocker.release.set()
    assert results == ["blocked", "indexed"]
    await lane.close()
