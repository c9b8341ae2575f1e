"""What the session hears of the microphone while the loudspeaker is audible. Layer 5.

An ear takes what was recorded (shape (n,), 16 kHz) and returns what may be heard of it. Every block goes
through it, once and in order. Silence, not nothing: the session counts time in samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

import numpy as np

from aura_local.audio.echo_cancellation import EchoCanceller
from aura_local.ports import AudioSink, Samples

ECHO_TAIL_S: Final = 0.3
"""How long a room still rings after the loudspeaker has stopped."""

Ear: TypeAlias = Callable[[Samples], Samples]


class AudibleSink(AudioSink, Protocol):
    """A sink that knows when and what it was heard playing."""

    def quiet_for_s(self) -> float:
        """Seconds since the last sample of speech was audible; 0 while there is more to play."""
        ...

    def played(self, count: int) -> Samples:
        """What was handed to the device while the next `count` samples were recorded (16 kHz)."""
        ...


def choose_ear(loudspeaker: AudibleSink, canceller: EchoCanceller | None, *, headphones: bool) -> Ear:
    """All of it with headphones; else without the echo where a canceller is there; else half duplex."""
    if headphones:
        return _all_of_it
    return half_duplex(loudspeaker) if canceller is None else full_duplex(loudspeaker, canceller)


def half_duplex(loudspeaker: AudibleSink) -> Ear:
    """Hears nothing while the loudspeaker is audible."""

    def hear(recorded: Samples) -> Samples:
        return np.zeros_like(recorded) if loudspeaker.quiet_for_s() < ECHO_TAIL_S else recorded

    return hear


def full_duplex(loudspeaker: AudibleSink, canceller: EchoCanceller) -> Ear:
    """Hears everything but the loudspeaker, so that one can interrupt."""

    def hear(recorded: Samples) -> Samples:
        return canceller.cancel(recorded, loudspeaker.played(len(recorded)))

    return hear


def _all_of_it(recorded: Samples) -> Samples:
    return recorded


class PushToTalk:
    """An ear that is open only while its owner wants it; the other ear behind it hears all the time."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self.talking = False

    def toggle(self) -> bool:
        """Open or close; whether it is open now."""
        self.talking = not self.talking
        return self.talking

    def __call__(self, recorded: Samples) -> Samples:
        heard = self._ear(recorded)
        return heard if self.talking else np.zeros_like(heard)
