"""Generations on a lane: order, read-ahead, and the one certain point of cancellation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest

from aura_local.cores import CoreBudget
from aura_local.errors import EngineUnavailable
from aura_local.lanes import READ_AHEAD_ITEMS, Lane, StopToken
from aura_local.ports import Caller, Priority
from tests.support.blocker import PATIENCE_S, Blocker

pytestmark = pytest.mark.anyio

VOICE = Caller("a", Priority.VOICE)


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    lane = Lane("test", CoreBudget(1), waiting_limit=3)
    yield lane
    await lane.close()


async def test_a_stream_hands_over_all_items_in_order(lane: Lane) -> None:
    async with lane.stream(lambda stop: iter(range(100)), caller=VOICE) as items:
        assert [item async for item in items] == list(range(100))


async def test_a_stream_may_yield_nothing_and_none(lane: Lane) -> None:
    async with lane.stream(lambda stop: iter([None, 0, None]), caller=VOICE) as items:
        assert [item async for item in items] == [None, 0, None]
    nothing: list[int] = []
    async with lane.stream(lambda stop: iter(nothing), caller=VOICE) as numbers:
        assert [number async for number in numbers] == []


async def test_an_error_comes_behind_the_items_before_it(lane: Lane) -> None:
    def produce(stop: StopToken) -> Iterator[int]:
        yield 1
        raise EngineUnavailable("broken")

    async with lane.stream(produce, caller=VOICE) as items:
        assert await anext(items) == 1
        with pytest.raises(EngineUnavailable, match="broken"):
            await anext(items)


async def test_leaving_the_block_stops_the_producer(lane: Lane) -> None:
    ended = threading.Event()
    tokens: list[StopToken] = []

    def produce(stop: StopToken) -> Iterator[int]:
        tokens.append(stop)
        try:
            yield from range(1_000_000)
        finally:
            ended.set()

    async with lane.stream(produce, caller=VOICE) as items:
        async for item in items:
            if item == 3:
                break
    assert tokens[0].stopped
    assert await asyncio.to_thread(ended.wait, PATIENCE_S)
    assert await lane.run(lambda: "free", caller=VOICE) == "free"


async def test_a_producer_in_its_work_sees_the_token(lane: Lane) -> None:
    working, ended = threading.Event(), threading.Event()

    def produce(stop: StopToken) -> Iterator[int]:
        working.set()
        while not stop.stopped:
            pass
        ended.set()
        yield 1

    async with lane.stream(produce, caller=VOICE):
        assert await asyncio.to_thread(working.wait, PATIENCE_S)
    assert await asyncio.to_thread(ended.wait, PATIENCE_S)


async def test_a_producer_is_never_far_ahead_of_its_reader(lane: Lane) -> None:
    made: list[int] = []
    filled = threading.Event()

    def produce(stop: StopToken) -> Iterator[int]:
        for number in range(1_000):
            made.append(number)
            if len(made) >= READ_AHEAD_ITEMS:
                filled.set()
            yield number

    async with lane.stream(produce, caller=VOICE) as items:
        assert await asyncio.to_thread(filled.wait, PATIENCE_S)
        count = 0
        async for _ in items:
            count += 1
            assert len(made) <= count + READ_AHEAD_ITEMS
            if count == 50:
                break
    assert len(made) <= 50 + READ_AHEAD_ITEMS


async def test_a_waiting_producer_holds_no_core() -> None:
    budget = CoreBudget(1)
    slow, other = Lane("slow", budget), Lane("other", budget)
    filled = threading.Event()

    def produce(stop: StopToken) -> Iterator[int]:
        for number in range(1_000):
            if number == READ_AHEAD_ITEMS - 1:
                filled.set()
            yield number

    async with slow.stream(produce, caller=VOICE):
        assert await asyncio.to_thread(filled.wait, PATIENCE_S)
        with anyio.fail_after(PATIENCE_S):
            assert await other.run(lambda: "served", caller=VOICE) == "served"
    await slow.close()
    await other.close()


async def test_a_stream_that_is_left_before_its_turn_is_never_begun(lane: Lane) -> None:
    blocker = Blocker()
    begun = threading.Event()

    def produce(stop: StopToken) -> Iterator[int]:
        begun.set()
        yield 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: lane.run(blocker, caller=VOICE))
        await blocker.begun()
        async with lane.stream(produce, caller=VOICE):
            pass
        blocker.release.set()
    await lane.run(int, caller=VOICE)
    assert not begun.is_set()
