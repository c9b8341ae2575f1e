"""Engines of a session that are never exchanged, and count who uses them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aura_local.conversation.reply import Answering
from aura_local.conversation.session_engines import HearingEngines, ReplyEngines
from aura_local.ports import (
    SpeechToText,
    TextToSpeech,
    TurnDetector,
    VoiceActivityDetector,
    VoiceActivityStream,
)


@dataclass
class FixedEngines:
    voice_activity: VoiceActivityDetector
    turn_detector: TurnDetector
    speech_to_text: SpeechToText
    text_to_speech: TextToSpeech
    answering: Answering
    users: int = 0

    def open_stream(self) -> VoiceActivityStream:
        return self.voice_activity.open_stream()

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[HearingEngines]:
        self.users += 1
        try:
            yield HearingEngines(self.speech_to_text, self.turn_detector)
        finally:
            self.users -= 1

    @asynccontextmanager
    async def replying(self) -> AsyncIterator[ReplyEngines]:
        self.users += 1
        try:
            yield ReplyEngines(self.answering, self.text_to_speech)
        finally:
            self.users -= 1
