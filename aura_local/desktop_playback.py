"""What the loudspeaker plays: a queue between the event loop and the audio thread. Layer 5."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import anyio
import numpy as np

from aura_local.audio.played_reference import PlayedReference
from aura_local.errors import EngineUnavailable
from aura_local.ports import Samples

QUEUED_SECONDS: Final = 1.0
"""Audio that waits for the loudspeaker at most; then `play` waits."""
STALL_S: Final = 5.0
"""A loudspeaker that takes no audio for this long has gone."""
POLL_S: Final = 0.02


class PlaybackQueue:
    """What the loudspeaker plays next. `take` is called on the audio thread, everything else on the loop."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, int, Samples]] = deque()
        self._queued_samples = 0
        self._heard: dict[int, int] = {}
        self.taken_samples = 0
        """Samples of speech handed to the device so far."""

    def put(self, reply_id: int, first_sample: int, samples: Samples) -> None:
        with self._lock:
            self._waiting.append((reply_id, first_sample, samples))
            self._queued_samples += len(samples)

    def take(self, count: int) -> tuple[Samples, int]:
        """The next `count` samples, filled up with silence, and how many of them are speech."""
        block = np.zeros(count, np.float32)
        filled = 0
        with self._lock:
            while filled < count and self._waiting:
                reply_id, first_sample, samples = self._waiting.popleft()
                part = samples[: count - filled]
                block[filled : filled + len(part)] = part
                filled += len(part)
                self._heard[reply_id] = first_sample + len(part)
                if len(part) < len(samples):
                    self._waiting.appendleft((reply_id, first_sample + len(part), samples[len(part) :]))
            self._queued_samples -= filled
            self.taken_samples += filled
        return block, filled

    def drop(self, reply_id: int) -> int:
        """Forget what is queued of a reply; the position up to which it was played."""
        with self._lock:
            self._waiting = deque(item for item in self._waiting if item[0] != reply_id)
            self._queued_samples = sum(len(samples) for _, _, samples in self._waiting)
            return self._heard.get(reply_id, 0)

    def position(self, reply_id: int) -> int:
        with self._lock:
            return self._heard.get(reply_id, 0)

    def holds(self, reply_id: int) -> bool:
        with self._lock:
            return any(item[0] == reply_id for item in self._waiting)

    @property
    def queued_samples(self) -> int:
        with self._lock:
            return self._queued_samples


class Loudspeaker:
    """An `AudioSink`: plays at the device's own rate."""

    def __init__(self, queue: PlaybackQueue, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.latency_s = 0.0
        """Time between a sample's being taken from the queue and its being heard."""
        self._queue = queue
        self._clock = clock
        self._audible_until_s = 0.0
        self._reference = PlayedReference(queue.sample_rate_hz)
        self.filled_blocks = 0
        """Blocks that the device has asked for; it asks all the time, or has gone."""

    @property
    def sample_rate_hz(self) -> int:
        return self._queue.sample_rate_hz

    def fill(self, count: int) -> Samples:
        """The next samples for the device; called on the audio thread."""
        block, speech_samples = self._queue.take(count)
        if speech_samples:
            self._audible_until_s = self._clock() + self.latency_s + count / self.sample_rate_hz
        self._reference.push(block)
        self.filled_blocks += 1
        return block

    def played(self, count: int) -> Samples:
        """What was handed to the device while the next `count` samples at 16 kHz were recorded."""
        return self._reference.take(count)

    def heard(self, reply_id: int) -> int:
        """Position up to which the reply that plays now has left the loudspeaker."""
        on_its_way_s = max(0.0, self._audible_until_s - self._clock())
        return max(0, self._queue.position(reply_id) - round(on_its_way_s * self.sample_rate_hz))

    def quiet_for_s(self) -> float:
        """Seconds since the last sample of speech left the loudspeaker; 0 while there is more to play."""
        if self._queue.queued_samples:
            return 0.0
        return max(0.0, self._clock() - self._audible_until_s)

    async def play(self, reply_id: int, first_sample: int, samples: Samples) -> None:
        """Raises `EngineUnavailable` when the device stops taking audio."""
        limit_samples = int(QUEUED_SECONDS * self.sample_rate_hz)
        await self._wait_until(lambda: self._queue.queued_samples + len(samples) <= limit_samples)
        self._queue.put(reply_id, first_sample, samples)

    async def drain(self, reply_id: int) -> int:
        await self._wait_until(lambda: not self._queue.holds(reply_id))
        await anyio.sleep(max(0.0, self._audible_until_s - self._clock()))
        return self._queue.position(reply_id)

    async def flush(self, reply_id: int) -> int:
        return self._queue.drop(reply_id)

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        # Polled: waking the loop from the audio thread would make its callback wait for the interpreter.
        taken, since_s = self._queue.taken_samples, self._clock()
        while not condition():
            await anyio.sleep(POLL_S)
            if self._queue.taken_samples != taken:
                taken, since_s = self._queue.taken_samples, self._clock()
            elif self._clock() - since_s > STALL_S:
                raise EngineUnavailable("The loudspeaker takes no more audio; is it still connected?")
