"""What the loudspeaker has played, lined up with what the microphone records. Layer 0.

Both devices count samples at the same speed but come in blocks of their own, so the two are matched by
count: for every sample recorded there is one played. Where there is none the loudspeaker paused, and so does
its echo. What is kept in reserve without ever being needed is dropped, because a reference must not come
later than its echo; that evens out two clocks as well.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

import numpy as np

from aura_local.audio.resample import StreamResampler
from aura_local.ports import SPEECH_RATE_HZ, Samples

KEPT_S: Final = 1.0
"""Most that is kept for a microphone that does not ask."""
SLACK_S: Final = 0.25
"""Reserve that no blocks of a device need: the microphone was away, and only the newest counts."""
WATCHED_S: Final = 1.0
"""How long the reserve is watched before what was not needed of it is dropped."""
MARGIN_SAMPLES: Final = SPEECH_RATE_HZ // 100
"""Of the reserve, what is always kept (10 ms)."""


class PlayedReference:
    """`push` is called on the audio thread, `take` on the event loop."""

    def __init__(self, source_rate_hz: int) -> None:
        self._resampler = StreamResampler(source_rate_hz, SPEECH_RATE_HZ)
        self._lock = threading.Lock()
        self._arrived: deque[Samples] = deque()
        self._arrived_samples = 0
        self._most_samples = int(source_rate_hz * KEPT_S)
        self._ready: Samples = np.zeros(0, np.float32)
        self._least_reserve_samples = 0
        self._watched_samples = 0

    def push(self, samples: Samples) -> None:
        """A block (shape (n,), the device's rate) has been handed to the device, silence included."""
        with self._lock:
            self._arrived.append(samples)
            self._arrived_samples += len(samples)
            while self._arrived_samples > self._most_samples:
                self._arrived_samples -= len(self._arrived.popleft())

    def take(self, count: int) -> Samples:
        """What was played while the next `count` samples at 16 kHz were recorded; zeros where not known."""
        with self._lock:
            arrived, self._arrived, self._arrived_samples = list(self._arrived), deque(), 0
        pieces = [self._resampler.push(block) for block in arrived]
        self._ready = np.concatenate([self._ready, *pieces])
        if len(self._ready) > count + int(SLACK_S * SPEECH_RATE_HZ):
            self._ready = self._ready[-count:]
        taken, self._ready = self._ready[:count], self._ready[count:]
        self._watch(count)
        return np.concatenate([taken, np.zeros(count - len(taken), np.float32)])

    def _watch(self, count: int) -> None:
        reserve = len(self._ready)
        new = self._watched_samples == 0
        self._least_reserve_samples = reserve if new else min(self._least_reserve_samples, reserve)
        self._watched_samples += count
        if self._watched_samples >= WATCHED_S * SPEECH_RATE_HZ:
            self._ready = self._ready[max(self._least_reserve_samples - MARGIN_SAMPLES, 0) :]
            self._watched_samples = 0
