"""The edges of made speech: no silence in front that delays the listener, no click at either end. Layer 3."""

from __future__ import annotations

from typing import Final

import numpy as np

from aura_local.ports import Samples

AUDIBLE_AMPLITUDE: Final = 10 ** (-50 / 20)
"""-50 dBFS: what is quieter in front of the first word is lead-in, 20-80 ms of it in common voices."""

KEPT_LEAD_IN_MS: Final = 10
"""Kept in front of the first audible sample, so that plosives keep their attack."""

FADE_MS: Final = 2
"""Long enough to make a cut inaudible, short enough to leave every sound whole."""


class LeadInTrimmer:
    """Drops the silence in front of one sentence that arrives piece by piece, and fades the cut in."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._kept_samples = sample_rate_hz * KEPT_LEAD_IN_MS // 1000
        self._fade_samples = sample_rate_hz * FADE_MS // 1000
        self._held: Samples | None = np.zeros(0, dtype=np.float32)

    def push(self, samples: Samples) -> Samples:
        """The part of `samples` to be heard; empty until something audible has come."""
        if self._held is None:
            return samples
        joined = np.concatenate([self._held, samples])
        audible = np.flatnonzero(np.abs(joined) > AUDIBLE_AMPLITUDE)
        if not len(audible):
            self._held = joined[max(0, len(joined) - self._kept_samples) :]
            return joined[:0]
        self._held = None
        speech = joined[max(0, int(audible[0]) - self._kept_samples) :].copy()
        fade = min(self._fade_samples, len(speech))
        speech[:fade] *= np.linspace(0.0, 1.0, fade, dtype=np.float32)
        return speech


def fade_out(samples: Samples, sample_rate_hz: int) -> Samples:
    """A copy of `samples` whose last 2 ms fall to zero."""
    faded = samples.copy()
    fade = min(sample_rate_hz * FADE_MS // 1000, len(faded))
    if fade:
        faded[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return faded
