"""Frames: audio cut to the size the detector wants, each knowing its place in the stream. Layer 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aura_local.ports import FRAME_SAMPLES, Samples


@dataclass(frozen=True, slots=True)
class Frame:
    """512 samples (32 ms) of 16 kHz audio."""

    first_sample: int
    """Position of the first sample, counted from the start of the stream at 16 kHz."""
    samples: Samples
    """Shape (512,), float32 in [-1, 1]."""

    @property
    def end_sample(self) -> int:
        """Position just behind the last sample."""
        return self.first_sample + len(self.samples)


class Framer:
    """Cuts pieces of any length into frames; what does not fill a frame waits for the next piece."""

    def __init__(self) -> None:
        self._next_sample = 0
        self._rest: Samples = np.zeros(0, dtype=np.float32)

    @property
    def received_samples(self) -> int:
        """Samples pushed so far, those still waiting for a full frame included."""
        return self._next_sample + len(self._rest)

    def push(self, samples: Samples) -> Iterator[Frame]:
        """Add samples (shape (n,), 16 kHz) and yield every frame that is now full."""
        joined = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        whole = len(joined) - len(joined) % FRAME_SAMPLES
        self._rest = joined[whole:].copy()
        for start in range(0, whole, FRAME_SAMPLES):
            frame = Frame(self._next_sample, joined[start : start + FRAME_SAMPLES])
            self._next_sample += FRAME_SAMPLES
            yield frame


def from_pcm16(data: bytes) -> Samples:
    """16-bit little-endian mono PCM to float32 in [-1, 1); an odd number of bytes is an error of the caller.

    Scaled by 1/32768, so that the conversion back is exact.
    """
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(32768.0)


def to_pcm16(samples: Samples) -> bytes:
    """float32 to 16-bit little-endian PCM; values outside [-1, 1] are clipped."""
    scaled = np.rint(np.clip(samples, -1.0, 1.0) * np.float32(32768.0))
    return bytes(np.clip(scaled, -32768, 32767).astype("<i2").tobytes())
