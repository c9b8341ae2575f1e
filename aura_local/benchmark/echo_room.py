"""A room on the sample clock in which the microphone hears the loudspeaker. Layer 4."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import anyio
import anyio.lowlevel
import numpy as np

from aura_local.accounts.principal import operator
from aura_local.audio.echo_cancellation import EchoCanceller, open_echo_canceller
from aura_local.benchmark.labelled_speech import ROOM_LEVEL
from aura_local.benchmark.recording_sink import RecordingSink
from aura_local.benchmark.sample_clock import STEP_SAMPLES, SampleClock
from aura_local.conversation.events import SessionEvent
from aura_local.conversation.voice_session import VoiceSession
from aura_local.engine import Engine
from aura_local.errors import ModelMissing
from aura_local.ports import SPEECH_RATE_HZ, Samples
from aura_local.storage.leases import TenantHandle

REVERBERATION_S: Final = 0.25
"""Until an impulse has faded by 60 dB: a furnished room."""
FIRST_REFLECTIONS: Final = 0.3
"""Level of the reflections beside the direct sound."""
DRIVE: Final = 1.5
"""How hard the loudspeaker is driven: a small one bends its peaks, which no linear filter can undo."""

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Acoustics:
    """How the loudspeaker reaches the microphone."""

    delay_ms: int
    """From playing to hearing, 20 at least."""
    echo_db: float
    """Level of the echo beside what is played."""
    seed: int

    def echo(self, played: Samples, count: int) -> Samples:
        """The last `count` samples of the echo, given the past that was played, newest last (16 kHz)."""
        tail = self._impulse()
        needed = count + len(tail) - 1 + self.delay_ms * SPEECH_RATE_HZ // 1000
        past = np.concatenate([np.zeros(needed, np.float32), played])[-needed:]
        bent = np.tanh(DRIVE * past[: count + len(tail) - 1]) / DRIVE
        heard = np.convolve(bent, tail, mode="valid") * 10 ** (self.echo_db / 20)
        return np.asarray(heard, np.float32)

    def _impulse(self) -> Samples:
        count = int(REVERBERATION_S * SPEECH_RATE_HZ)
        noise = np.random.default_rng(self.seed).normal(size=count)
        tail = noise * 10 ** (-3 * np.arange(count) / count) * FIRST_REFLECTIONS
        tail[0] = 1.0
        return np.asarray(tail / np.sqrt(np.sum(np.square(tail))), np.float32)


STEP_MS: Final = STEP_SAMPLES * 1000 // SPEECH_RATE_HZ


@dataclass
class EchoRoom:
    """A session whose microphone hears a speaker, the echo of AURA's voice, and a quiet noise."""

    session: VoiceSession
    clock: SampleClock
    sink: RecordingSink
    acoustics: Acoustics
    canceller: EchoCanceller | None
    """None leaves the echo in, to show what it does."""
    told: list[SessionEvent] = field(default_factory=list)
    noise: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    @property
    def _beyond_step(self) -> Acoustics:
        return replace(self.acoustics, delay_ms=self.acoustics.delay_ms - STEP_MS)

    def events(self, kind: type[E]) -> list[E]:
        return [event for event in self.told if isinstance(event, kind)]

    async def speak(self, samples: Samples) -> None:
        """Say something (16 kHz) into the room, in lock-step with the session."""
        for first in range(0, len(samples), STEP_SAMPLES):
            await self._step(samples[first : first + STEP_SAMPLES])

    async def wait(self, seconds: float) -> None:
        await self.speak(np.zeros(int(seconds * SPEECH_RATE_HZ), np.float32))

    async def until(self, kind: type[E], within_s: float) -> bool:
        """Wait for the first event of a kind; whether it came."""
        end_s = self.clock.now_s + within_s
        while not self.events(kind) and self.clock.now_s < end_s:
            await self._step(np.zeros(STEP_SAMPLES, np.float32))
        return bool(self.events(kind))

    async def _step(self, speech: Samples) -> None:
        count = len(speech)
        begin = round(self.clock.now_s * SPEECH_RATE_HZ)
        await anyio.lowlevel.checkpoint()
        # What is played during this step is not certain before it is over. The reference is therefore one
        # step (20 ms) old, as a sound card's buffer makes it, and so is the echo at least.
        played = self.sink.recording()[:begin]
        noise = self.noise.normal(0.0, ROOM_LEVEL, count)
        recorded = np.asarray(speech + self._beyond_step.echo(played, count) + noise, np.float32)
        if self.canceller is not None:
            reference = np.concatenate([np.zeros(count, np.float32), played])[-count:]
            recorded = self.canceller.cancel(recorded, reference)
        await self.session.push(recorded)
        await self.session.settle()
        self.clock.advance(count)
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def open_echo_room(
    engine: Engine, handle: TenantHandle, acoustics: Acoustics, *, cancelled: bool = True
) -> AsyncIterator[EchoRoom]:
    """A new session in a room, cut off at the end of the block.

    Raises `ModelMissing` where no canceller is installed and `cancelled` asks for one.
    """
    canceller = open_echo_canceller() if cancelled else None
    if cancelled and canceller is None:
        raise ModelMissing("No echo canceller is installed; get it with: pip install 'aura-local[desktop]'")
    clock = SampleClock()
    sink = RecordingSink(clock, SPEECH_RATE_HZ)
    told: list[SessionEvent] = []

    async def notify(event: SessionEvent) -> None:
        told.append(event)

    session = await engine.voice_session(handle, asker=operator(handle.id), sink=sink, notify=notify)
    room = EchoRoom(session, clock, sink, acoustics, canceller, told)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        await room.wait(0.5)
        yield room
        tasks.cancel_scope.cancel()
