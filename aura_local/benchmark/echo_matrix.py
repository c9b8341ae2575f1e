"""Does AURA hear itself? Replies over an echo of every delay and level, alone and with a question. Layer 4.

All on the sample clock with the real detector, recogniser, answers and Piper's voice, so a busy machine
measures the same as an idle one. The echo is what the sink played, through a room (`echo_room.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aura_local.benchmark.echo_room import Acoustics, EchoRoom, open_echo_room
from aura_local.benchmark.labelled_speech import Utterance
from aura_local.conversation.events import (
    FinalTranscript,
    PlaybackFlushed,
    ReplyAudioStarted,
    ReplyFinished,
    ReplyStarted,
)
from aura_local.engine import Engine
from aura_local.storage.leases import TenantHandle

DELAYS_MS: Final = (20, 50, 100, 200, 400)
LEVELS_DB: Final = (-3.0, -6.0, -10.0, -15.0, -20.0)
REPLY_WITHIN_S: Final = 30.0
AFTERWARDS_S: Final = 1.5
"""Longer than an echo and the longest silence that ends a turn: a false turn would show by then."""


@dataclass(frozen=True, slots=True)
class EchoCase:
    """What happened while one reply was heard."""

    delay_ms: int
    echo_db: float
    answered: bool
    false_turns: int
    """Words heard, replies silenced or started that nobody asked for."""
    interrupted: bool
    """Whether the question that was spoken over the reply silenced it for good."""


def acoustics_of(count: int, seed: int) -> list[Acoustics]:
    """So many rooms, spread evenly over all delays and levels."""
    grid = [(delay, level) for level in LEVELS_DB for delay in DELAYS_MS]
    order = np.random.default_rng(seed).permutation(len(grid))
    places = (grid[order[number % len(grid)]] for number in range(count))
    return [Acoustics(delay, level, seed + number) for number, (delay, level) in enumerate(places)]


async def hear_own_voice(
    engine: Engine, handle: TenantHandle, acoustics: Acoustics, question: Utterance, *, cancelled: bool = True
) -> EchoCase:
    """Ask, then only listen to the reply; nothing else may happen."""
    async with open_echo_room(engine, handle, acoustics, cancelled=cancelled) as room:
        answered = await _ask(room, question) and await room.until(ReplyFinished, REPLY_WITHIN_S)
        await room.wait(AFTERWARDS_S)
        words = sum(bool(event.text) for event in room.events(FinalTranscript)) - 1
        extra = len(room.events(ReplyStarted)) - 1
        false_turns = max(words, extra, len(room.events(PlaybackFlushed)))
    return EchoCase(acoustics.delay_ms, acoustics.echo_db, answered, max(false_turns, 0), interrupted=False)


async def speak_over(
    engine: Engine, handle: TenantHandle, acoustics: Acoustics, questions: Sequence[Utterance], wait_s: float
) -> EchoCase:
    """Ask the first, let the reply be heard for `wait_s`, then ask the second over it."""
    first, second = questions
    async with open_echo_room(engine, handle, acoustics) as room:
        answered = await _ask(room, first)
        await room.wait(wait_s)
        await room.speak(second.samples)
        await room.until(ReplyFinished, REPLY_WITHIN_S)
        finished = room.events(ReplyFinished)
        interrupted = bool(finished) and finished[0].cancelled
    return EchoCase(acoustics.delay_ms, acoustics.echo_db, answered, 0, interrupted)


async def _ask(room: EchoRoom, question: Utterance) -> bool:
    await room.speak(question.samples)
    return await room.until(ReplyAudioStarted, REPLY_WITHIN_S)
