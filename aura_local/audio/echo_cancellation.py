"""Takes AURA's own voice out of what the microphone hears, by WebRTC's AEC3. Layer 0.

The package `pywebrtc-audio` (extra `desktop`) does the work; docs/desktop.md compares it with others. It
leaves an echo of a few hundredths, in which a speech detector still finds words now and then; a gate
silences what is so much quieter than the recording that it can only be that.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Protocol

import numpy as np

from aura_local.ports import SPEECH_RATE_HZ, Samples

BLOCK_SAMPLES: Final = SPEECH_RATE_HZ // 100
"""The canceller works on 10 ms."""
RESIDUAL_RATIO: Final = 10 ** (-10 / 10)
"""Power left of a recording below which all of it was echo. Over 50 rooms (20-400 ms, -3 to -20 dB), -10 dB
let none through and kept all 50 questions spoken over it; -15 dB let one through, -7 dB lost two."""
GATE_BLOCKS: Final = 8
"""Blocks over which power is measured (80 ms)."""
REMEMBERED_BLOCKS: Final = 70
"""How long what was played may be heard: 400 ms of delay, and a room that rings for 300 ms."""
AUDIBLE_POWER: Final = 1e-6
"""Mean square of a block that counts as sound (-60 dBFS)."""
RESIDUAL_GAIN: Final = np.float32(0.03)
"""Not zero: a detector hears digital silence, and its end, as an event."""


class EchoCanceller(Protocol):
    """State of one microphone beside one loudspeaker."""

    def cancel(self, recorded: Samples, played: Samples) -> Samples:
        """`recorded` without the echo of `played`: both shape (n,), 16 kHz, of the same time.

        `played` must not come later than its echo. What comes out lags by up to 18 ms; its length differs
        from n by less than 160 samples and makes up for it at the next call.
        """
        ...


def open_echo_canceller() -> EchoCanceller | None:
    """A new canceller; None where the package is not installed."""
    try:
        from pywebrtc_audio import EchoCanceller as Aec3
    except ImportError:
        return None
    return WebrtcEchoCanceller(Aec3(sample_rate=SPEECH_RATE_HZ))


class WebrtcEchoCanceller:
    """An `EchoCanceller`: AEC3, then the gate."""

    def __init__(self, aec3: Any) -> None:
        """`aec3` is a `pywebrtc_audio.EchoCanceller` at 16 kHz."""
        self._aec3 = aec3
        self._gate = ResidualGate()
        self._recorded: Samples = np.zeros(0, np.float32)
        self._played: Samples = np.zeros(0, np.float32)

    def cancel(self, recorded: Samples, played: Samples) -> Samples:
        recorded = np.concatenate([self._recorded, recorded])
        played = np.concatenate([self._played, played])
        whole = len(recorded) - len(recorded) % BLOCK_SAMPLES  # aec3 would fill up a last block with zeros
        self._recorded, self._played = recorded[whole:], played[whole:]
        if not whole:
            return np.zeros(0, np.float32)
        cleaned: Samples = self._aec3.process(recorded[:whole], played[:whole])
        return self._gate.pass_on(recorded[:whole], played[:whole], cleaned)


class ResidualGate:
    """Silences what the canceller left over."""

    def __init__(self) -> None:
        self._recorded_power: deque[float] = deque(maxlen=GATE_BLOCKS)
        self._cleaned_power: deque[float] = deque(maxlen=GATE_BLOCKS)
        self._silent_blocks = REMEMBERED_BLOCKS

    def pass_on(self, recorded: Samples, played: Samples, cleaned: Samples) -> Samples:
        """`cleaned`, softer where it is but the rest of an echo; all three of whole blocks, same length."""
        gains = np.ones(len(cleaned) // BLOCK_SAMPLES, np.float32)
        powers = zip(_powers(recorded), _powers(played), _powers(cleaned), strict=True)
        for place, (recorded_power, played_power, cleaned_power) in enumerate(powers):
            self._recorded_power.append(recorded_power)
            self._cleaned_power.append(cleaned_power)
            self._silent_blocks = 0 if played_power > AUDIBLE_POWER else self._silent_blocks + 1
            echoing = self._silent_blocks < REMEMBERED_BLOCKS
            if echoing and sum(self._cleaned_power) < RESIDUAL_RATIO * sum(self._recorded_power):
                gains[place] = RESIDUAL_GAIN
        return cleaned * np.repeat(gains, BLOCK_SAMPLES)


def _powers(samples: Samples) -> list[float]:
    return [float(power) for power in np.square(samples.reshape(-1, BLOCK_SAMPLES)).mean(axis=1)]
