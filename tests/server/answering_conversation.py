"""A conversation for tests of the socket: answers typed questions at once, and spoken ones by length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np

from aura_local.conversation.events import (
    Citation,
    CitationsFound,
    FinalTranscript,
    PlaybackFlushed,
    ReplyAudioStarted,
    ReplyFinished,
    ReplyStarted,
    ReplyTextDelta,
    SessionEvent,
    SpeechStarted,
    SpeechStopped,
    TurnMetrics,
)
from aura_local.ports import AudioSink, Samples

CITATION = Citation("d1", "hours.md", "Opening hours", None, 3, 10, 42, "We open at ten.")


class AnsweringConversation:
    """Answers each question with `text` and a ramp of audio whose PCM16 values are its positions."""

    session_id = "session-1"
    text = "We open at ten."
    turn_samples = 16_000

    def __init__(
        self,
        sink: AudioSink,
        notify: Callable[[SessionEvent], Any],
        answer_samples: int,
        failure: Exception | None,
    ) -> None:
        self._sink = sink
        self._notify = notify
        self._answer_samples = answer_samples
        self._failure = failure
        self._turn = 0
        self._reply: anyio.CancelScope | None = None
        self._tasks: anyio.abc.TaskGroup | None = None
        self._finished = anyio.Event()
        self._answering = 0
        self.heard: list[Samples] = []
        self.asked: list[str] = []
        self.stalls = 0

    @property
    def heard_samples(self) -> int:
        return sum(len(piece) for piece in self.heard)

    async def run(self) -> None:
        async with anyio.create_task_group() as self._tasks:
            if self._failure is not None:
                await anyio.sleep(0.05)
                raise self._failure
            await self._finished.wait()

    async def push(self, samples: Samples) -> None:
        before = self.heard_samples // self.turn_samples
        if len(samples) and not self.heard_samples:
            await self._notify(SpeechStarted(1, 0))
        self.heard.append(samples)
        await anyio.lowlevel.checkpoint()
        if self.heard_samples // self.turn_samples > before:
            await self._notify(SpeechStopped(self._turn + 1, self.heard_samples))
            self._answer("spoken question")

    async def ask(self, text: str) -> None:
        await self.cancel()
        self.asked.append(text)
        self._answer(text)

    async def cancel(self) -> None:
        if self._reply is not None:
            heard = await self._sink.flush(self._turn)
            self._reply.cancel()
            await self._notify(PlaybackFlushed(self._turn, heard))
            await self._notify(ReplyFinished(self._turn, self.text, "", True))
            self._reply = None

    async def input_stalled(self) -> None:
        self.stalls += 1

    async def finish(self) -> None:
        self._finished.set()

    def _answer(self, question: str) -> None:
        assert self._tasks is not None
        self._turn += 1
        self._tasks.start_soon(self._reply_to, question, self._turn)

    async def _reply_to(self, question: str, turn: int) -> None:
        self._reply = anyio.CancelScope()
        with self._reply:
            await self._notify(FinalTranscript(turn, question))
            await self._notify(ReplyStarted(turn, turn))
            for word in self.text.split():
                await self._notify(ReplyTextDelta(turn, word))
            await self._notify(CitationsFound(turn, (CITATION,)))
            await self._notify(ReplyAudioStarted(turn))
            for first in range(0, self._answer_samples, 800):
                count = min(800, self._answer_samples - first)
                ramp = (np.arange(first, first + count) % 32768 / 32768.0).astype(np.float32)
                await self._sink.play(turn, first, ramp)
            await self._sink.drain(turn)
            self._reply = None
            await self._notify(ReplyFinished(turn, self.text, self.text, False))
            await self._notify(TurnMetrics(turn, turn, {"first_audio": 12.5}, {"speculations": 1}))
