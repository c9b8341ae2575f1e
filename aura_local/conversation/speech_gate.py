"""From probabilities of speech, frame by frame, to the edges of speech. Pure: no clock, no audio.

The gate has hysteresis in level (two thresholds) and in time (frames that must agree), so that one odd
frame neither opens nor closes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from aura_local.ports import FRAME_SAMPLES, SPEECH_RATE_HZ


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody may have begun to speak; `sample` is where."""

    sample: int


@dataclass(frozen=True, slots=True)
class SpeechSustained:
    """The speech that began at `sample` has lasted long enough not to be a click or a cough."""

    sample: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The speaker is silent; `sample` is the end of the last frame with speech."""

    sample: int
    speech_samples: int
    """Samples of frames with speech since the last `SpeechStarted`."""


GateEvent: TypeAlias = SpeechStarted | SpeechSustained | SpeechPaused


@dataclass(frozen=True, slots=True)
class GateSettings:
    start_threshold: float = 0.5
    """Probability that opens the gate; silero's own default."""
    end_threshold: float = 0.35
    """Probability below which a frame is silent; silero's default is the start threshold less 0.15."""
    start_frames: int = 2
    """Frames in a row that open the gate (64 ms)."""
    pause_frames: int = 3
    """Silent frames in a row that are a pause (96 ms): work ahead starts there, nothing is decided."""
    sustained_ms: int = 200
    """Speech that counts as meant."""


class SpeechGate:
    """Follows one stream."""

    def __init__(self, settings: GateSettings | None = None) -> None:
        self._settings = settings or GateSettings()
        self._open = False
        self._sustained = False
        self._loud_frames = 0
        self._silent_frames = 0
        self._started = 0
        self._ended = 0
        self._speech_samples = 0

    @property
    def quiet(self) -> bool:
        """Whether the newest frame gives no hint of speech; a turn is not taken over while it does."""
        return self._loud_frames == 0

    def hear(self, first_sample: int, probability: float) -> list[GateEvent]:
        """Take the next frame, which begins at `first_sample`."""
        end = first_sample + FRAME_SAMPLES
        if self._open:
            return self._while_open(end, probability)
        return self._while_closed(first_sample, end, probability)

    def _while_closed(self, first_sample: int, end: int, probability: float) -> list[GateEvent]:
        if probability < self._settings.start_threshold:
            self._loud_frames = 0
            return []
        if self._loud_frames == 0:
            self._started = first_sample
        self._loud_frames += 1
        if self._loud_frames < self._settings.start_frames:
            return []
        self._open, self._sustained, self._silent_frames = True, False, 0
        self._ended = end
        self._speech_samples = self._loud_frames * FRAME_SAMPLES
        return [SpeechStarted(self._started)]

    def _while_open(self, end: int, probability: float) -> list[GateEvent]:
        if probability >= self._settings.end_threshold:
            self._loud_frames += 1
            self._silent_frames = 0
            self._ended = end
            self._speech_samples += FRAME_SAMPLES
            needed = self._settings.sustained_ms * SPEECH_RATE_HZ // 1000
            if not self._sustained and self._speech_samples >= needed:
                self._sustained = True
                return [SpeechSustained(self._started)]
            return []
        self._silent_frames += 1
        if self._silent_frames < self._settings.pause_frames:
            return []
        self._open, self._loud_frames = False, 0
        return [SpeechPaused(self._ended, self._speech_samples)]
