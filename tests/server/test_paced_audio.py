"""Pacing, flushing and resuming a reply, on a clock of our own."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import numpy as np
import pytest
from aura_server.paced_audio import PacedSink
from aura_server.voice_encoding import AUDIO_HEADER
from aura_server.wakeup import Wakeup

from aura_local.errors import ProtocolViolation
from aura_local.ports import AudioSink, Samples
from tests.server.fake_clock import FakeClock

pytestmark = pytest.mark.anyio

RATE_HZ = 1000
"""One sample a millisecond: positions read as milliseconds."""


def ramp(first: int, count: int) -> Samples:
    """Samples whose PCM16 value is their position."""
    return (np.arange(first, first + count) / 32768.0).astype(np.float32)


@dataclass
class Listener:
    """A connected client and the log of what reached it."""

    clock: FakeClock
    flushed: list[tuple[int, int]] = field(default_factory=list)
    frames: list[tuple[float, int, int, list[int]]] = field(default_factory=list)
    """Seconds since the start, reply, first sample, PCM values."""

    def __post_init__(self) -> None:
        self.sink = PacedSink(
            RATE_HZ,
            announce_flush=lambda reply, heard: self.flushed.append((reply, heard)),
            wakeup=Wakeup(),
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        self.begun_s = self.clock.now_s

    async def listen(self, seconds: float, *, acknowledge: float | None = None) -> None:
        """Take frames as they fall due; `acknowledge` is the share of real time the client plays at."""
        played = 0.0
        await self.clock.settle()
        for _ in range(round(seconds / 0.005)):
            while (data := self.sink.next_frame()) is not None:
                version, kind, zero, reply, first = AUDIO_HEADER.unpack_from(data)
                assert (version, kind, zero) == (1, 1, 0)
                pcm = np.frombuffer(data, "<i2", offset=AUDIO_HEADER.size).tolist()
                self.frames.append((self.clock.now_s - self.begun_s, reply, first, pcm))
            if acknowledge is not None and self.frames:
                self.sink.acknowledge(self.frames[-1][1], int(played))
                played += 5 * acknowledge
            await self.clock.advance(0.005)

    @property
    def received(self) -> list[int]:
        return [value for _, _, _, pcm in self.frames for value in pcm]


@pytest.fixture
def listener() -> Listener:
    listener = Listener(FakeClock())
    listener.sink.attach()
    return listener


async def speak(sink: AudioSink, reply_id: int, first: int, end: int) -> None:
    for start in range(first, end, 100):
        await sink.play(reply_id, start, ramp(start, min(100, end - start)))


async def test_first_frame_at_once_then_never_more_than_the_lead_ahead(listener: Listener) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speak, listener.sink, 1, 0, 2000)
        await listener.listen(2.2)
    assert listener.received == list(range(2000))
    assert listener.frames[0][0] == 0.0
    assert all(len(pcm) == 20 for _, _, _, pcm in listener.frames)
    ahead = [first + len(pcm) - at_s * RATE_HZ for at_s, _, first, pcm in listener.frames]
    assert max(ahead) <= 250 + 1e-6
    assert min(ahead[12:]) > 200


async def test_a_piece_shorter_than_a_frame_goes_out_without_waiting_for_more(listener: Listener) -> None:
    await listener.sink.play(1, 0, ramp(0, 7))
    await listener.listen(0.005)
    assert listener.frames == [(0.0, 1, 0, list(range(7)))]


async def test_play_waits_while_the_sink_is_full(listener: Listener) -> None:
    with anyio.move_on_after(0) as patience:
        await speak(listener.sink, 1, 0, 1000)
    assert patience.cancelled_caught
    await listener.listen(0.6)
    assert len(listener.received) == 200  # the capacity, and nothing of what was cancelled


async def test_silence_of_the_engine_does_not_count_as_playing(listener: Listener) -> None:
    await listener.sink.play(1, 0, ramp(0, 100))
    await listener.listen(5.0)
    assert listener.sink.heard_samples(1) == 100
    await listener.sink.play(1, 100, ramp(100, 100))
    await listener.listen(0.05)
    assert 100 <= listener.sink.heard_samples(1) <= 155


async def test_drain_of_a_client_that_never_acknowledges_ends_in_real_time(listener: Listener) -> None:
    ended: list[tuple[float, int]] = []

    async def drain() -> None:
        await speak(listener.sink, 1, 0, 400)
        heard = await listener.sink.drain(1)
        ended.append((listener.clock.now_s - listener.begun_s, heard))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drain)
        await listener.listen(0.6)
    (at_s, heard) = ended[0]
    assert heard == 400
    assert 0.4 <= at_s <= 0.43


async def test_drain_waits_for_a_client_that_plays_slower_and_gives_up_after_the_grace(
    listener: Listener,
) -> None:
    ended: list[tuple[float, int]] = []

    async def drain() -> None:
        await speak(listener.sink, 1, 0, 400)
        heard = await listener.sink.drain(1)
        ended.append((listener.clock.now_s - listener.begun_s, heard))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drain)
        await listener.listen(2.0, acknowledge=0.1)
    (at_s, heard) = ended[0]
    assert 1.4 <= at_s <= 1.45
    assert 130 <= heard <= 150


async def test_an_acknowledgement_is_believed_but_never_beyond_what_was_sent(listener: Listener) -> None:
    await listener.sink.play(1, 0, ramp(0, 200))
    await listener.listen(0.1)
    sent = len(listener.received)
    listener.sink.acknowledge(1, 30)
    assert listener.sink.heard_samples(1) == 30
    await listener.clock.advance(0.05)
    assert listener.sink.heard_samples(1) == 80
    listener.sink.acknowledge(1, 10**12)
    assert listener.sink.heard_samples(1) == sent


async def test_acknowledging_a_reply_without_audio_is_an_error_and_an_earlier_one_is_late(
    listener: Listener,
) -> None:
    with pytest.raises(ProtocolViolation):
        listener.sink.acknowledge(1, 0)
    await listener.sink.play(2, 0, ramp(0, 20))
    listener.sink.acknowledge(1, 5)
    with pytest.raises(ProtocolViolation):
        listener.sink.acknowledge(3, 0)


async def test_flush_announces_drops_and_tells_the_heard_position(listener: Listener) -> None:
    await listener.sink.play(4, 0, ramp(0, 180))
    await listener.listen(0.1)
    heard = await listener.sink.flush(4)
    assert heard == 100
    assert listener.flushed == [(4, 100)]
    count = len(listener.frames)
    await listener.listen(1.0)
    assert len(listener.frames) == count
    assert await listener.sink.drain(4) == 100


async def test_play_that_waits_for_room_is_void_after_a_flush(listener: Listener) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speak, listener.sink, 1, 0, 300)
        await listener.clock.settle()
        await listener.sink.flush(1)
        await listener.clock.settle()
    await listener.listen(1.0)
    assert listener.received == []


async def test_a_flushed_reply_goes_on_from_the_cut(listener: Listener) -> None:
    await listener.sink.play(1, 0, ramp(0, 180))
    await listener.listen(0.1)
    heard = await listener.sink.flush(1)
    before = len(listener.frames)
    await listener.sink.play(1, heard, ramp(heard, 50))
    await listener.listen(0.1)
    assert [value for _, _, _, pcm in listener.frames[before:] for value in pcm] == list(range(100, 150))
    assert await listener.sink.drain(1) == 150


async def test_samples_made_before_a_flush_and_played_after_it_are_dropped(listener: Listener) -> None:
    await listener.sink.play(1, 0, ramp(0, 180))
    await listener.listen(0.1)
    await listener.sink.flush(1)
    before = len(listener.frames)
    await listener.sink.play(1, 180, ramp(180, 20))
    await listener.listen(0.1)
    assert len(listener.frames) == before


async def test_a_second_reply_follows_the_first(listener: Listener) -> None:
    async def both() -> None:
        await listener.sink.play(1, 0, ramp(0, 150))
        await listener.sink.play(2, 0, ramp(0, 150))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(both)
        await listener.listen(1.0)
    assert [reply for _, reply, _, _ in listener.frames] == [1] * 8 + [2] * 8
    assert listener.received == [*range(150), *range(150)]


async def test_after_a_dropped_connection_it_goes_on_from_the_last_acknowledgement(
    listener: Listener,
) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speak, listener.sink, 1, 0, 600)
        await listener.listen(0.2)
        listener.sink.acknowledge(1, 150)
        await listener.listen(0.1)  # lost on the way: the connection is dead already
        listener.sink.detach()
        await listener.listen(10.0)
        assert listener.sink.heard_samples(1) == 150
        before = len(listener.frames)
        listener.sink.attach()
        await listener.listen(1.0)
    resumed = [value for _, _, _, pcm in listener.frames[before:] for value in pcm]
    assert resumed == list(range(150, 600))


async def test_without_acknowledgements_it_goes_on_from_where_real_time_was(listener: Listener) -> None:
    await listener.sink.play(1, 0, ramp(0, 180))
    await listener.listen(0.06)
    listener.sink.detach()
    await listener.listen(3.0)
    before = len(listener.frames)
    listener.sink.attach()
    await listener.listen(1.0)
    resumed = [value for _, _, _, pcm in listener.frames[before:] for value in pcm]
    assert resumed == list(range(60, 180))


async def test_drain_outlasts_the_absence_of_a_connection(listener: Listener) -> None:
    heard: list[int] = []

    async def drain() -> None:
        await listener.sink.play(1, 0, ramp(0, 100))
        heard.append(await listener.sink.drain(1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drain)
        await listener.listen(0.05)
        listener.sink.detach()
        await listener.listen(5.0)
        assert heard == []
        listener.sink.attach()
        await listener.listen(0.2)
    assert heard == [100]
