"""From the audio of one session to words: what was said, and how long to wait for more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

import numpy as np

from aura_local.audio.frame import Frame
from aura_local.conversation.session_engines import HearingEngines
from aura_local.ports import SPEECH_RATE_HZ, Caller, Samples, Transcript

LEAD_SAMPLES = SPEECH_RATE_HZ * 200 // 1000
"""Audio kept before the first frame with speech: the detector opens after the first sound."""
TAIL_SAMPLES = SPEECH_RATE_HZ * 96 // 1000
"""Audio after the last frame with speech that goes along: as much as a pause needs to be noticed."""


@dataclass(frozen=True, slots=True)
class WaitRules:
    """Silence after which a turn is over, by how finished its text looks."""

    complete_ms: int = 200
    doubtful_ms: int = 600
    incomplete_ms: int = 1200

    def wait_ms(self, completion: float) -> int:
        """`completion` is the turn detector's probability that the turn is over."""
        if completion >= 0.8:
            return self.complete_ms
        return self.doubtful_ms if completion >= 0.4 else self.incomplete_ms


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript with the silence that ends its turn."""

    transcript: Transcript
    """All that was said."""
    text: str
    """What of it is meant for AURA; "" for nothing."""
    wait_ms: int


class Hearing:
    """Keeps the audio that may still be needed and has it transcribed."""

    def __init__(
        self,
        *,
        engines: Callable[[], AbstractAsyncContextManager[HearingEngines]],
        language: str,
        waits: WaitRules,
        meant: Callable[[str], str] = str,
    ) -> None:
        """`meant` picks from what was said what is meant for AURA: everything, unless told otherwise."""
        self._engines = engines
        self._language = language
        self._waits = waits
        self._meant = meant
        self._frames: deque[Frame] = deque()

    def keep(self, frame: Frame, *, needed_from: int) -> None:
        """Add the newest frame; drop those that end before sample `needed_from` less the lead."""
        self._frames.append(frame)
        while self._frames[0].end_sample < needed_from - LEAD_SAMPLES:
            self._frames.popleft()

    def clip(self, first_sample: int, end_sample: int) -> Samples:
        """The speech between two positions with a little audio around it."""
        first, end = first_sample - LEAD_SAMPLES, end_sample + TAIL_SAMPLES
        frames = [f.samples for f in self._frames if f.end_sample > first and f.first_sample < end]
        return np.concatenate(frames) if frames else np.zeros(0, dtype=np.float32)

    async def listen(self, speech: Samples, caller: Caller, *, silence_ms: int) -> Heard:
        """Transcribe a clip and judge how finished it sounds."""
        async with self._engines() as engines:
            recogniser = engines.speech_to_text
            transcript = await recogniser.transcribe(speech, language=self._language, caller=caller)
            text = self._meant(transcript.text)
            if not text:
                return Heard(transcript, "", 0)
            completion = await engines.turn_detector.completion(
                speech,
                replace(transcript, text=text),
                punctuated=recogniser.description.writes_punctuation,
                silence_ms=silence_ms,
            )
        return Heard(transcript, text, self._waits.wait_ms(completion))

    async def transcribe_early(self, speech: Samples, caller: Caller) -> Transcript:
        """Transcribe what is meant for AURA of a clip that its speaker goes on with."""
        async with self._engines() as engines:
            transcript = await engines.speech_to_text.transcribe(
                speech, language=self._language, caller=caller, partial=True
            )
        return replace(transcript, text=self._meant(transcript.text))


class StablePrefix:
    """Words two partial transcripts in a row agree on (LocalAgreement-2, Macháček et al. 2023)."""

    def __init__(self) -> None:
        self._previous: list[str] = []

    def agree(self, text: str) -> str:
        """The stable beginning of the newest partial transcript."""
        words = text.split()
        agreed = 0
        for old, new in zip(self._previous, words, strict=False):
            if old != new:
                break
            agreed += 1
        self._previous = words
        return " ".join(words[:agreed])
