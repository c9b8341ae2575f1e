"""What a client says: PCM16 at its rate in, 16 kHz samples out, each sample counted once. Layer 5."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np

from aura_local.audio.frame import from_pcm16
from aura_local.audio.resample import StreamResampler
from aura_local.errors import ProtocolViolation
from aura_local.ports import SPEECH_RATE_HZ, Samples
from aura_server.pace import Pace

PACE: Final = 1.25
"""Audio accepted per second of time, in seconds; a bit over 1 for clocks that differ."""
HEAD_START_S: Final = 5.0
"""Audio accepted at once at the start."""
TOO_FAST: Final = "audio_too_fast"


class AudioInput:
    """One session's incoming audio. Survives dropped connections; positions go on where they were."""

    def __init__(
        self,
        sample_rate_hz: int,
        *,
        catch_up_s: float,
        pace: float = PACE,
        head_start_s: float = HEAD_START_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`catch_up_s` is the longest absence after which a client may send what it kept, all at once."""
        self.sample_rate_hz = sample_rate_hz
        self.accepted_samples = 0
        """Samples received since `start`, at the client's rate, those of an absence included."""
        self._next_position = 0
        self._longest_gap_samples = int((catch_up_s + head_start_s) * sample_rate_hz)
        self._times_real_time = pace
        self._pace = Pace(
            per_second=pace * sample_rate_hz,
            initial_s=head_start_s / pace,
            most_s=catch_up_s + head_start_s,
            clock=clock,
        )
        self._resampler = StreamResampler(sample_rate_hz, SPEECH_RATE_HZ)

    def accept(self, data: bytes) -> Samples:
        """Take one binary message; returns the samples at 16 kHz that are new, maybe none.

        Raises `ProtocolViolation` for half a sample (nothing of the message is taken) and, with the code
        `audio_too_fast`, past the pace limit.
        """
        if len(data) % 2:
            raise ProtocolViolation(
                "An audio message has an odd number of bytes; 16-bit samples have two each.", code="odd_audio"
            )
        count = len(data) // 2
        if not self._pace.spend(count):
            raise ProtocolViolation(
                f"Audio arrives faster than {self._times_real_time:g} times real time.",
                code=TOO_FAST,
                retryable=True,
            )
        first = self._next_position
        self._next_position += count
        known = min(max(self.accepted_samples - first, 0), count)
        if known == count:
            return np.zeros(0, dtype=np.float32)
        missing = max(first - self.accepted_samples, 0)
        self.accepted_samples = self._next_position
        fresh = from_pcm16(data[2 * known :])
        if missing:
            # Samples that the client no longer had are heard as silence, so that positions stay true and
            # words on both sides of the gap are not glued together.
            fresh = np.concatenate([np.zeros(missing, dtype=np.float32), fresh])
        return self._resampler.push(fresh)

    def continue_from(self, position: int | None) -> None:
        """A new connection's first sample has this position; None is where the last one ended.

        Raises `ProtocolViolation` for a gap longer than any absence that can be resumed.
        """
        if position is None:
            position = self.accepted_samples
        if position - self.accepted_samples > self._longest_gap_samples:
            raise ProtocolViolation("`from_sample` lies too far beyond the samples that were accepted.")
        self._next_position = position
        self._pace.refill()

    def finish(self) -> Samples:
        """The end of the audio that the resampler still held; nothing may be accepted afterwards."""
        return self._resampler.finish()
