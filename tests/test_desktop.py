"""Desktop microphone mode: half duplex, and a whole conversation with scripted engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import numpy as np
import pytest

from aura_local.adapters.scripted import ScriptedSpeechToText
from aura_local.conversation.events import (
    CitationsFound,
    FinalTranscript,
    PlaybackFlushed,
    ReplyAudioStarted,
    ReplyFinished,
    SessionEvent,
)
from aura_local.conversation.wake_phrase import WakePhrase
from aura_local.desktop import converse, listen
from aura_local.desktop_ears import ECHO_TAIL_S, choose_ear, half_duplex
from aura_local.desktop_playback import Loudspeaker, PlaybackQueue
from aura_local.ports import FRAME_SAMPLES, Samples
from tests.support.engine import ScriptedRoom, open_museum, open_scripted_engine

pytestmark = pytest.mark.anyio


class Listening:
    """A session that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[float] = []
        self.finished = False

    async def push(self, samples: Samples) -> None:
        self.heard.append(float(samples[0]))

    async def finish(self) -> None:
        self.finished = True


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def test_the_session_hears_silence_while_the_loudspeaker_is_audible() -> None:
    clock = Clock()
    queue = PlaybackQueue(1_000)
    loudspeaker = Loudspeaker(queue, clock=clock)

    async def microphone() -> AsyncIterator[Samples]:
        sound = np.ones(512, np.float32)
        yield sound  # nothing plays: heard
        queue.put(1, 0, np.ones(100, np.float32))
        yield sound  # queued
        loudspeaker.fill(100)
        yield sound  # playing
        clock.now_s += 0.1 + ECHO_TAIL_S / 2
        yield sound  # the room still rings
        clock.now_s += ECHO_TAIL_S
        yield sound  # heard again

    session = Listening()
    await listen(session, microphone(), half_duplex(loudspeaker))
    assert session.heard == [1.0, 0.0, 0.0, 0.0, 1.0]
    assert session.finished


async def test_with_headphones_everything_is_heard() -> None:
    async def microphone() -> AsyncIterator[Samples]:
        yield np.ones(512, np.float32)

    session = Listening()
    queue = PlaybackQueue(1_000)
    queue.put(1, 0, np.ones(100, np.float32))
    loudspeaker = Loudspeaker(queue)
    await listen(session, microphone(), choose_ear(loudspeaker, None, headphones=True))
    assert session.heard == [1.0]


class Room:
    """A person, a loudspeaker that plays at once, and a microphone that hears both."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []
        self.loudspeaker = Loudspeaker(PlaybackQueue(24_000))

    async def notify(self, event: SessionEvent) -> None:
        self.events.append(event)

    def has(self, kind: type) -> bool:
        return any(isinstance(event, kind) for event in self.events)

    async def play(self) -> None:
        while True:
            self.loudspeaker.fill(480)
            await anyio.sleep(0.002)

    async def microphone(self) -> AsyncIterator[Samples]:
        """A question, silence until the reply is audible, then as much noise as the reply makes."""
        for _ in range(30):
            yield np.full(FRAME_SAMPLES, 0.5, np.float32)
        with anyio.fail_after(20):
            while not self.has(ReplyAudioStarted):
                yield np.zeros(FRAME_SAMPLES, np.float32)
                await anyio.sleep(0.002)
            while not self.has(ReplyFinished) and not self.has(PlaybackFlushed):
                yield np.full(FRAME_SAMPLES, 0.5, np.float32)
                await anyio.sleep(0.002)


async def conversation(tmp_path: Path, *, headphones: bool) -> Room:
    room = Room()
    hearing = ScriptedSpeechToText(["at what hour is the museum open"] * 8)
    async with (
        open_scripted_engine(tmp_path, room=ScriptedRoom({"speech_to_text": hearing})) as engine,
        open_museum(engine, "The museum is open from the hour of nine.") as handle,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(room.play)
        await converse(
            engine,
            handle,
            microphone=room.microphone(),
            loudspeaker=room.loudspeaker,
            notify=room.notify,
            ear=choose_ear(room.loudspeaker, None, headphones=headphones),
        )
        tasks.cancel_scope.cancel()
    return room


async def test_a_reply_is_not_interrupted_by_its_own_echo(tmp_path: Path) -> None:
    room = await conversation(tmp_path, headphones=False)
    said = [event.text for event in room.events if isinstance(event, FinalTranscript)]
    finished = [event for event in room.events if isinstance(event, ReplyFinished)]
    assert said == ["at what hour is the museum open"]
    assert [(event.heard_text, event.cancelled) for event in finished] == [
        ("The museum opens at nine.", False)
    ]
    assert room.has(CitationsFound)


async def test_with_headphones_one_can_interrupt(tmp_path: Path) -> None:
    room = await conversation(tmp_path, headphones=True)
    finished = next(event for event in room.events if isinstance(event, ReplyFinished))
    assert finished.cancelled
    assert len(finished.heard_text) < len("The museum opens at nine.")


async def test_with_a_wake_phrase_only_what_begins_with_it_is_answered(tmp_path: Path) -> None:
    loudspeaker = Loudspeaker(PlaybackQueue(24_000))
    heard: list[str] = []

    async def notify(event: SessionEvent) -> None:
        if isinstance(event, FinalTranscript):
            heard.append(event.text)

    async def play() -> None:
        while True:
            loudspeaker.fill(480)
            await anyio.sleep(0.002)

    async def microphone() -> AsyncIterator[Samples]:
        with anyio.fail_after(20):
            for utterance in range(2):
                for _ in range(15):  # too short for early words: one transcript for each
                    yield np.full(FRAME_SAMPLES, 0.5, np.float32)
                while len(heard) <= utterance:
                    yield np.zeros(FRAME_SAMPLES, np.float32)
                    await anyio.sleep(0.002)

    hearing = ScriptedSpeechToText(["when is it open", "hello aura at what hour is the museum open"])
    async with (
        open_scripted_engine(tmp_path, room=ScriptedRoom({"speech_to_text": hearing})) as engine,
        open_museum(engine, "The museum is open from the hour of nine.") as handle,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(play)
        await converse(
            engine,
            handle,
            microphone=microphone(),
            loudspeaker=loudspeaker,
            notify=notify,
            ear=choose_ear(loudspeaker, None, headphones=True),
            wake=WakePhrase("hello aura"),
        )
        tasks.cancel_scope.cancel()
    assert heard == ["", "at what hour is the museum open"]
