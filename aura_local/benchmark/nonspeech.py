"""Sounds that hold no speech must start no reply: silence, stationary noise, and recorded clips."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import numpy as np

from aura_local.accounts.principal import operator
from aura_local.audio.decode import decode_audio
from aura_local.benchmark.labelled_speech import ROOM_LEVEL
from aura_local.benchmark.recording_sink import RecordingSink
from aura_local.benchmark.sample_clock import SampleClock, VirtualMicrophone
from aura_local.conversation.events import ReplyStarted, SessionEvent, SpeechStarted
from aura_local.engine import Engine
from aura_local.ports import SPEECH_RATE_HZ, Samples
from aura_local.storage.leases import TenantHandle

AFTERWARDS_S: Final = 2.0
"""Room noise behind each sound: longer than any silence that ends a turn."""
LEVELS_DBFS: Final = (-50, -35, -20)


@dataclass(frozen=True, slots=True)
class Sound:
    """Something to hear that is no speech."""

    name: str
    samples: Samples
    """16 kHz."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a session made of one sound."""

    name: str
    speech_starts: int
    """How often the detector took it for speech."""
    replies: int


def synthetic_sounds(*, seconds: float = 8.0, seed: int = 7) -> list[Sound]:
    """Digital silence, and white, pink and brown noise, mains hum and a fan, each from quiet to loud."""
    count = int(seconds * SPEECH_RATE_HZ)
    shapes = dict(_shapes(count, np.random.default_rng(seed)))
    sounds = [Sound("digital silence", np.zeros(count, dtype=np.float32))]
    for name, shape in shapes.items():
        loudness = float(np.sqrt(np.mean(np.square(shape))))
        for level in LEVELS_DBFS:
            gain = 10 ** (level / 20) / loudness
            samples = np.clip(shape * gain, -1, 1).astype(np.float32)
            sounds.append(Sound(f"{name} at {level} dBFS", samples))
    return sounds


async def recorded_sounds(manifest: Path) -> list[Sound]:
    """The clips that a JSON-lines manifest names, relative to its folder. Raises `AudioUnreadable`."""
    sounds = []
    for line in (await anyio.Path(manifest).read_text(encoding="utf-8")).splitlines():
        row = json.loads(line)
        content = await anyio.Path(manifest.parent / row["file"]).read_bytes()
        audio = await decode_audio(content, limit_s=120)
        sounds.append(Sound(str(row["label"]), audio.samples))
    return sounds


async def react_to(engine: Engine, handle: TenantHandle, sound: Sound) -> Reaction:
    """Play one sound to a new session, in lock-step: the machine's speed does not matter."""
    clock = SampleClock()
    told: list[SessionEvent] = []

    async def notify(event: SessionEvent) -> None:
        told.append(event)

    room = np.random.default_rng(7).normal(0.0, ROOM_LEVEL, int(AFTERWARDS_S * SPEECH_RATE_HZ))
    session = await engine.voice_session(
        handle, asker=operator(handle.id), sink=RecordingSink(clock), notify=notify
    )
    microphone = VirtualMicrophone(session, clock, real_time=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        await microphone.play(sound.samples)
        await microphone.play(room.astype(np.float32))
        tasks.cancel_scope.cancel()
    return Reaction(
        name=sound.name,
        speech_starts=sum(isinstance(event, SpeechStarted) for event in told),
        replies=sum(isinstance(event, ReplyStarted) for event in told),
    )


def _shapes(count: int, random: np.random.Generator) -> Iterator[tuple[str, Samples]]:
    white = random.normal(size=count)
    times = np.arange(count) / SPEECH_RATE_HZ
    yield "white noise", white.astype(np.float32)
    yield "pink noise", _coloured(white, 0.5)
    yield "brown noise", _coloured(white, 1.0)
    hum = sum(np.sin(2 * math.pi * 50 * step * times) / step for step in (1, 2, 3, 5, 7))
    yield "mains hum", np.asarray(hum, dtype=np.float32)
    blades = sum(np.sin(2 * math.pi * 87 * step * times) / step for step in (1, 2, 3))
    yield "a fan", (_coloured(white, 0.5) + 0.05 * np.asarray(blades)).astype(np.float32)


def _coloured(white: np.ndarray[tuple[int], np.dtype[np.float64]], power: float) -> Samples:
    """Noise whose amplitude falls with the frequency to this power, from 20 Hz on."""
    spectrum = np.fft.rfft(white)
    frequencies = np.fft.rfftfreq(len(white), 1 / SPEECH_RATE_HZ)
    spectrum /= np.maximum(frequencies, 20.0) ** power
    shaped = np.fft.irfft(spectrum, len(white))
    return (shaped / np.std(shaped)).astype(np.float32)
