"""A voice session on real engines in lock-step: time is what the microphone has played, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import numpy as np

from aura_local.accounts.principal import operator
from aura_local.benchmark.recording_sink import RecordingSink
from aura_local.benchmark.sample_clock import STEP_SAMPLES, SampleClock, VirtualMicrophone
from aura_local.conversation.events import SessionEvent
from aura_local.engine import Engine
from aura_local.ports import SPEECH_RATE_HZ, Samples
from aura_local.storage.leases import TenantHandle

E = TypeVar("E")
PATIENCE_S = 20.0
"""Of the sample clock; only ever waited for by a test that fails."""


@dataclass
class LockStep:
    """The session with its microphone and loudspeaker; `told` are its events with their sample times."""

    clock: SampleClock
    sink: RecordingSink
    microphone: VirtualMicrophone
    room: Callable[[int], Samples]
    told: list[tuple[float, SessionEvent]] = field(default_factory=list)

    def events(self, kind: type[E]) -> list[E]:
        return [event for _, event in self.told if isinstance(event, kind)]

    def told_at_s(self, kind: type[E]) -> list[float]:
        return [moment_s for moment_s, event in self.told if isinstance(event, kind)]

    async def play(self, samples: Samples) -> None:
        await self.microphone.play(samples)

    async def wait(self, seconds: float) -> None:
        """Let time pass in a quiet room."""
        await self.microphone.play(self.room(int(seconds * SPEECH_RATE_HZ)))

    async def until(self, kind: type[E], count: int = 1) -> E:
        """Let time pass until the count-th event of a kind."""
        began_s = self.clock.now_s
        while len(self.events(kind)) < count:
            assert self.clock.now_s - began_s < PATIENCE_S, f"no {kind.__name__} came"
            await self.play(self.room(STEP_SAMPLES))
        return self.events(kind)[count - 1]

    def heard(self, from_s: float, until_s: float) -> Samples:
        """What the loudspeaker played in between, at 24 kHz."""
        rate = self.sink.sample_rate_hz
        return self.sink.recording()[int(from_s * rate) : int(until_s * rate)]

    def last_audible_s(self, from_s: float, until_s: float) -> float:
        """When the loudspeaker was last louder than -45 dBFS in between."""
        loud = np.flatnonzero(np.abs(self.heard(from_s, until_s)) > 10 ** (-45 / 20))
        return from_s + float(loud[-1]) / self.sink.sample_rate_hz if len(loud) else from_s


@asynccontextmanager
async def lock_step(
    engine: Engine, handle: TenantHandle, room: Callable[[int], Samples]
) -> AsyncIterator[LockStep]:
    """A session that begins with half a second of quiet and is cut off at the end of the block."""
    clock = SampleClock()
    sink = RecordingSink(clock)
    made: list[LockStep] = []

    async def notify(event: SessionEvent) -> None:
        made[0].told.append((clock.now_s, event))

    session = await engine.voice_session(handle, asker=operator(handle.id), sink=sink, notify=notify)
    made.append(LockStep(clock, sink, VirtualMicrophone(session, clock, real_time=False), room))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        await made[0].wait(0.5)
        yield made[0]
        tasks.cancel_scope.cancel()
