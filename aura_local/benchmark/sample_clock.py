"""A clock that counts samples heard, so that a conversation can be played without a real microphone.

Paced by the wall clock it is a microphone in real time; in lock-step it goes on only when the session has
worked out everything it has heard, which makes a run independent of the machine's speed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import anyio
import numpy as np

from aura_local.conversation.voice_session import VoiceSession
from aura_local.ports import SPEECH_RATE_HZ, Samples

STEP_SAMPLES = SPEECH_RATE_HZ * 20 // 1000
"""Samples pushed at once (20 ms), as a browser's microphone does."""


class SampleClock:
    """Seconds of audio pushed so far; whoever waits for a moment is woken when it has passed."""

    def __init__(self) -> None:
        self._samples = 0
        self._passed = anyio.Event()

    @property
    def now_s(self) -> float:
        return self._samples / SPEECH_RATE_HZ

    def advance(self, samples: int) -> None:
        self._samples += samples
        self._passed.set()
        self._passed = anyio.Event()

    async def wait_until(self, moment_s: float) -> None:
        while self.now_s < moment_s:
            await self._passed.wait()


class VirtualMicrophone:
    """Plays audio into a session and drives the clock."""

    def __init__(self, session: VoiceSession, clock: SampleClock, *, real_time: bool) -> None:
        self._session = session
        self._clock = clock
        self._real_time = real_time
        self._started_s = time.monotonic() - clock.now_s
        self._heard: list[Samples] = []

    async def play(self, samples: Samples) -> None:
        """Push samples (16 kHz), 20 ms at a time."""
        for piece in _pieces(samples):
            if self._real_time:
                due_s = self._started_s + self._clock.now_s + len(piece) / SPEECH_RATE_HZ
                await anyio.sleep(max(0.0, due_s - time.monotonic()))
            await self._session.push(piece)
            if not self._real_time:
                await self._session.settle()
            self._heard.append(piece)
            self._clock.advance(len(piece))
            await anyio.lowlevel.checkpoint()

    @property
    def recording(self) -> Samples:
        """Everything played so far."""
        return np.concatenate(self._heard) if self._heard else np.zeros(0, dtype=np.float32)


def _pieces(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples), STEP_SAMPLES):
        yield samples[start : start + STEP_SAMPLES]
