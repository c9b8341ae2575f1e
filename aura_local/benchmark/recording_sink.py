"""A loudspeaker on the sample clock: plays in step with the microphone and records what was heard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aura_local.benchmark.sample_clock import SampleClock
from aura_local.ports import Samples

LEAD_S = 0.25
"""Audio taken ahead of its time, as a browser's jitter buffer does."""


@dataclass(slots=True)
class _Piece:
    starts_s: float
    samples: Samples


class RecordingSink:
    """An `AudioSink`."""

    def __init__(self, clock: SampleClock, sample_rate_hz: int = 24_000) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._clock = clock
        self._pieces: list[_Piece] = []
        self._began_s = 0.0
        """When position 0 of the running reply was, or would have been, heard."""
        self._reply_id = 0
        self._queued_samples = 0

    async def play(self, reply_id: int, first_sample: int, samples: Samples) -> None:
        now_s = self._clock.now_s
        position_s = first_sample / self.sample_rate_hz
        if reply_id != self._reply_id or first_sample != self._queued_samples:
            self._began_s = now_s - position_s
        # A voice that comes late leaves a gap; what follows is not played in the past.
        self._began_s = max(self._began_s, now_s - position_s)
        self._reply_id = reply_id
        self._pieces.append(_Piece(self._began_s + position_s, samples))
        self._queued_samples = first_sample + len(samples)
        await self._clock.wait_until(self._ends_s - LEAD_S)

    async def drain(self, reply_id: int) -> int:
        if reply_id == self._reply_id:
            await self._clock.wait_until(self._ends_s)
        return self._queued_samples

    async def flush(self, reply_id: int) -> int:
        if reply_id != self._reply_id:
            return 0
        now_s = self._clock.now_s
        heard = int((now_s - self._began_s) * self.sample_rate_hz)
        self._queued_samples = min(max(heard, 0), self._queued_samples)
        for piece in self._pieces:
            kept = max(int((now_s - piece.starts_s) * self.sample_rate_hz), 0)
            piece.samples = piece.samples[:kept]
        return self._queued_samples

    def recording(self) -> Samples:
        """Everything that was heard, on the clock's time line, at the sink's rate."""
        track = np.zeros(int(self._clock.now_s * self.sample_rate_hz) + 1, dtype=np.float32)
        for piece in self._pieces:
            start = int(piece.starts_s * self.sample_rate_hz)
            end = min(start + len(piece.samples), len(track))
            if end > start:
                track[start:end] = piece.samples[: end - start]
        return track

    @property
    def _ends_s(self) -> float:
        return self._began_s + self._queued_samples / self.sample_rate_hz
