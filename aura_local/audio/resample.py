"""Sample-rate conversion of streams and of whole clips, by the SoX resampler. Layer 0."""

from __future__ import annotations

from typing import cast

import numpy as np
import soxr

from aura_local.ports import Samples


class StreamResampler:
    """Converts a stream piece by piece. The output lags by the filter's delay until `finish`."""

    def __init__(self, source_hz: int, target_hz: int) -> None:
        """Rates in Hz; equal rates pass the samples through."""
        self._same = source_hz == target_hz
        # "LQ" holds back 20 ms at 48 kHz, "MQ" 38 ms and more (measured with pieces of 20 ms); speech has
        # little above its 80 % pass band.
        self._stream = None if self._same else soxr.ResampleStream(source_hz, target_hz, 1, quality="LQ")

    def push(self, samples: Samples) -> Samples:
        """Samples at the target rate that are ready now; may be empty."""
        if self._stream is None:
            return samples
        return cast(Samples, self._stream.resample_chunk(samples))

    def finish(self) -> Samples:
        """What the filter still held. The resampler cannot be used afterwards."""
        if self._stream is None:
            return np.zeros(0, dtype=np.float32)
        return cast(Samples, self._stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True))


def resample(samples: Samples, source_hz: int, target_hz: int) -> Samples:
    """Convert a whole clip (shape (n,), float32) without delay."""
    if source_hz == target_hz or not len(samples):
        return samples
    return cast(Samples, soxr.resample(samples, source_hz, target_hz, quality="HQ").astype(np.float32))
