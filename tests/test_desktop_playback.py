"""The loudspeaker's queue: what is taken, what was heard, what a flush forgets."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aura_local import desktop_playback
from aura_local.desktop_playback import Loudspeaker, PlaybackQueue
from aura_local.errors import EngineUnavailable
from aura_local.ports import AudioSink, Samples

RATE_HZ = 1_000


def ramp(first: int, end: int) -> Samples:
    return (np.arange(first, end) / RATE_HZ).astype(np.float32)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_blocks_are_filled_across_pieces_and_with_silence() -> None:
    queue = PlaybackQueue(RATE_HZ)
    queue.put(1, 0, ramp(0, 30))
    queue.put(1, 30, ramp(30, 50))
    first, spoken = queue.take(40)
    np.testing.assert_array_equal(first, ramp(0, 40))
    assert (spoken, queue.position(1), queue.queued_samples) == (40, 40, 10)
    second, spoken = queue.take(40)
    np.testing.assert_array_equal(second[:10], ramp(40, 50))
    assert not second[10:].any()
    assert (spoken, queue.position(1), queue.queued_samples) == (10, 50, 0)


def test_dropping_forgets_one_reply_and_tells_what_was_heard() -> None:
    queue = PlaybackQueue(RATE_HZ)
    queue.put(1, 0, ramp(0, 100))
    queue.put(2, 0, ramp(0, 20))
    queue.take(30)
    assert queue.drop(1) == 30
    assert not queue.holds(1)
    assert queue.queued_samples == 20
    block, _ = queue.take(20)
    np.testing.assert_array_equal(block, ramp(0, 20))
    assert queue.drop(9) == 0


def test_a_loudspeaker_is_a_sink() -> None:
    sink: AudioSink = Loudspeaker(PlaybackQueue(RATE_HZ))
    assert sink.sample_rate_hz == RATE_HZ


def test_quiet_begins_after_the_device_has_emitted_the_last_sample() -> None:
    clock = Clock()
    queue = PlaybackQueue(RATE_HZ)
    loudspeaker = Loudspeaker(queue, clock=clock)
    loudspeaker.latency_s = 0.5
    clock.now_s = 10.0
    assert loudspeaker.quiet_for_s() == 10.0
    queue.put(1, 0, ramp(0, 100))
    assert loudspeaker.quiet_for_s() == 0.0
    loudspeaker.fill(100)
    clock.now_s = 10.5
    assert loudspeaker.quiet_for_s() == 0.0  # 0.5 s of latency, then 0.1 s of sound
    clock.now_s = 11.0
    assert loudspeaker.quiet_for_s() == pytest.approx(0.4)
    loudspeaker.fill(100)
    assert loudspeaker.quiet_for_s() == pytest.approx(0.4)  # silence is not sound


@pytest.mark.anyio
async def test_play_waits_for_room_and_drain_for_the_end() -> None:
    queue = PlaybackQueue(RATE_HZ)
    loudspeaker = Loudspeaker(queue)
    await loudspeaker.play(1, 0, ramp(0, 900))
    order: list[str] = []

    async def play_more() -> None:
        await loudspeaker.play(1, 900, ramp(0, 200))
        order.append("played")
        assert await loudspeaker.drain(1) == 1100
        order.append("drained")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(play_more)
        await anyio.wait_all_tasks_blocked()
        assert order == []
        loudspeaker.fill(100)  # 900 + 200 samples are more than a second, 800 + 200 are not
        with anyio.fail_after(5):
            while order != ["played"]:
                await anyio.lowlevel.checkpoint()
        assert queue.queued_samples == 1000
        loudspeaker.fill(1000)
    assert order == ["played", "drained"]


@pytest.mark.anyio
async def test_a_flush_ends_a_drain_at_what_was_heard() -> None:
    queue = PlaybackQueue(RATE_HZ)
    loudspeaker = Loudspeaker(queue)
    await loudspeaker.play(1, 0, ramp(0, 500))
    loudspeaker.fill(10)
    heard: list[int] = []

    async def drain() -> None:
        heard.append(await loudspeaker.drain(1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drain)
        await anyio.wait_all_tasks_blocked()
        assert await loudspeaker.flush(1) == 10
    assert heard == [10]


@pytest.mark.anyio
async def test_a_loudspeaker_that_has_gone_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop_playback, "STALL_S", 0.05)
    loudspeaker = Loudspeaker(PlaybackQueue(RATE_HZ))
    await loudspeaker.play(1, 0, ramp(0, 100))
    with pytest.raises(EngineUnavailable, match="still connected"):
        await loudspeaker.drain(1)
