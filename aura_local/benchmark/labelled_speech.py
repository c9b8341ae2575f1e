"""Spoken test utterances whose first and last speech samples are known, by espeak-ng voices.

A pause inside a sentence is made from two renderings: the first half ends with a comma, so that its
melody goes on, and its own trailing silence is replaced by the pause.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import anyio.to_thread
import numpy as np

from aura_local.adapters.registry import AdapterContext, open_adapter
from aura_local.audio.resample import resample
from aura_local.cores import CoreBudget
from aura_local.ports import SPEECH_RATE_HZ, Caller, Priority, Samples

VOICES: Final = ("en-us", "en-gb-x-rp", "en-us+f3", "en-gb-scotland+m3", "en-us+m7", "en-gb-x-rp+f2")
"""Accents and variants, male and female, in rotation."""
AUDIBLE: Final = 10 ** (-40 / 20)
"""Share of the peak below which a sample counts as silence (-40 dB): labels the ends of speech."""
ROOM_LEVEL: Final = 10 ** (-66 / 20)
"""Amplitude of the noise floor under everything (-66 dBFS): a microphone is never digitally silent."""
SPEAKER: Final = Caller("benchmark", Priority.BACKGROUND)


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sentence as a microphone hears it, with its labels."""

    text: str
    samples: Samples
    """16 kHz, with silence before and behind."""
    first_speech_sample: int
    last_speech_sample: int
    pause_s: float
    """Length of the pause inside the sentence; 0 for none."""


class SpeakingVoices(Protocol):
    """What is used of the espeak-ng adapter: any of its voices by name."""

    @property
    def sample_rate_hz(self) -> int: ...

    async def speak(
        self, text: str, *, voice: str = ..., rate_wpm: int = ..., pitch: int = ..., caller: Caller
    ) -> Samples: ...

    async def close(self) -> None: ...


@asynccontextmanager
async def open_speaker() -> AsyncIterator[SpeakingVoices]:
    """The voices of espeak-ng, apart from those of the engine under test. Raises `ModelMissing`."""
    speaker: SpeakingVoices = await anyio.to_thread.run_sync(
        open_adapter, "text_to_speech", "espeak", AdapterContext("espeak-ng", CoreBudget(1))
    )
    try:
        yield speaker
    finally:
        await speaker.close()


class UtteranceMaker:
    """Speaks sentences; the same seed gives the same utterances."""

    def __init__(self, voice: SpeakingVoices, *, seed: int = 7) -> None:
        self._voice = voice
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._noise = np.random.default_rng(seed)

    async def make(self, sentences: Sequence[str], *, paused_share: float = 0.3) -> list[Utterance]:
        """One utterance for each sentence; this share of them (evenly spread) with a pause of 0.3-1.0 s."""
        utterances = []
        for index, text in enumerate(sentences):
            due = int((index + 1) * paused_share) > int(index * paused_share)
            pause_s = self._random.uniform(0.3, 1.0) if due and len(text.split()) >= 4 else 0.0
            utterances.append(await self.speak(text, VOICES[index % len(VOICES)], pause_s))
        return utterances

    async def speak(self, text: str, voice: str, pause_s: float = 0.0) -> Utterance:
        """Speak one sentence with 0.3 s of room before and none behind."""
        if pause_s:
            words = text.split()
            cut = self._random.randint(2, len(words) - 2)
            first = await self._render(" ".join(words[:cut]) + ",", voice)
            second = await self._render(" ".join(words[cut:]), voice)
            silence = np.zeros(int(pause_s * SPEECH_RATE_HZ), dtype=np.float32)
            speech = np.concatenate([_trim(first), silence, _trim(second)])
        else:
            speech = _trim(await self._render(text, voice))
        lead = np.zeros(SPEECH_RATE_HZ * 3 // 10, dtype=np.float32)
        samples = np.concatenate([lead, speech])
        return Utterance(
            text=text,
            samples=samples + self.room(len(samples)),
            first_speech_sample=len(lead),
            last_speech_sample=len(samples),
            pause_s=pause_s,
        )

    def room(self, length_samples: int) -> Samples:
        """The noise floor alone."""
        return self._noise.normal(0.0, ROOM_LEVEL, length_samples).astype(np.float32)

    async def _render(self, text: str, voice: str) -> Samples:
        spoken = await self._voice.speak(text, voice=voice, rate_wpm=160, caller=SPEAKER)
        at_16k = resample(spoken, self._voice.sample_rate_hz, SPEECH_RATE_HZ)
        return at_16k * np.float32(0.5 / max(float(np.max(np.abs(at_16k))), 1e-6))


def _trim(speech: Samples) -> Samples:
    """Without the silence at either end."""
    audible = np.flatnonzero(np.abs(speech) > AUDIBLE * np.max(np.abs(speech)))
    return speech[audible[0] : audible[-1] + 1]
