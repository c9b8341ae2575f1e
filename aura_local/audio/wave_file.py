"""Writes sound files. Layer 0."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from aura_local.audio.frame import to_pcm16
from aura_local.ports import Samples


def write_wave(path: Path, channels: list[Samples], sample_rate_hz: int) -> None:
    """Write a 16-bit WAV file; channels of different lengths are filled up with silence."""
    length = max(len(channel) for channel in channels)
    together = np.zeros((length, len(channels)), dtype=np.float32)
    for place, channel in enumerate(channels):
        together[: len(channel), place] = channel
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(to_pcm16(together.reshape(-1)))
