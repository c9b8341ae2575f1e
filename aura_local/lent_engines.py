"""The engine room as conversations see it: engines lent for one piece of work at a time. Layer 4.

A conversation never keeps an engine, so one that is exchanged is out of use as soon as what was begun with it
is over, and every conversation that is open goes on with the new one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aura_local.conversation.prompt import PromptSettings
from aura_local.conversation.reply import Answering
from aura_local.conversation.session_engines import HearingEngines, ReplyEngines
from aura_local.engine_room import Engines
from aura_local.ports import (
    GenerationLimits,
    LanguageModel,
    Samples,
    VoiceActivityDetector,
    VoiceActivityStream,
)

SPOKEN_JOBS: Final = (
    "voice_activity",
    "turn_detector",
    "speech_to_text",
    "text_to_speech",
    "language_model",
)
"""What a conversation by voice needs, apart from the embedder, which belongs to the documents."""


class LentEngines:
    """Implements `aura_local.conversation.session_engines.SessionEngines`."""

    def __init__(self, room: Engines, limits: GenerationLimits) -> None:
        self._room = room
        self._limits = limits

    def require(self) -> None:
        """Raises what keeps one of the engines of a conversation by voice from working."""
        for job in SPOKEN_JOBS:
            self._room.engine(job)

    def open_stream(self) -> VoiceActivityStream:
        return FollowingStream(lambda: self._room.engine("voice_activity"))

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[HearingEngines]:
        async with self._room.hold("speech_to_text") as ears, self._room.hold("turn_detector") as turns:
            yield HearingEngines(ears, turns)

    @asynccontextmanager
    async def replying(self) -> AsyncIterator[ReplyEngines]:
        async with self.answering() as answering, self._room.hold("text_to_speech") as voice:
            yield ReplyEngines(answering, voice)

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[Answering]:
        """The answer path around the language model of the moment."""
        async with self._room.hold("language_model") as drafting:
            # Nothing was awaited since the model was taken, so `trusted` speaks of the same one.
            yield self._around(drafting, trusted=self._room.trusted)

    async def warm_up(self, drafting: LanguageModel) -> None:
        """Evaluate the text that every prompt begins with. Raises what the model raises."""
        await self._around(drafting, trusted=True).warm_up()

    def _around(self, drafting: LanguageModel, *, trusted: bool) -> Answering:
        quoting = self._room.quoting()
        return Answering(
            drafting=drafting,
            quoting=None if trusted else quoting,
            declining=quoting,
            prompt=PromptSettings() if trusted else PromptSettings(exchanges=0, passages=0),
            limits=self._limits,
        )


class FollowingStream:
    """A stream of whichever detector is current; needs no count, for it never works across an await."""

    def __init__(self, current: Callable[[], VoiceActivityDetector]) -> None:
        self._current = current
        self._detector: Any = None
        self._stream: VoiceActivityStream
        self._follow()

    def probability(self, frame: Samples) -> float:
        """As in `VoiceActivityStream`; a detector that has just come knows nothing of earlier frames."""
        self._follow()
        return self._stream.probability(frame)

    def reset(self) -> None:
        self._follow()
        self._stream.reset()

    def _follow(self) -> None:
        detector = self._current()
        if detector is not self._detector:
            self._detector, self._stream = detector, detector.open_stream()
