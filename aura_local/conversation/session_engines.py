"""The engines of a voice session, lent to it for one piece of work at a time."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from aura_local.conversation.reply import Answering
from aura_local.ports import SpeechToText, TextToSpeech, TurnDetector, VoiceActivityStream


@dataclass(frozen=True, slots=True)
class HearingEngines:
    """What one stretch of speech is heard with."""

    speech_to_text: SpeechToText
    turn_detector: TurnDetector


@dataclass(frozen=True, slots=True)
class ReplyEngines:
    """What one reply is made with."""

    answering: Answering
    text_to_speech: TextToSpeech


class SessionEngines(Protocol):
    """Where a conversation has its engines from, asked anew for every piece of work.

    So a model can be exchanged while people talk: what has begun is finished by the engines it began with,
    which stay open until its block is left; what begins next has those of the moment. All raise what keeps
    an engine from working.
    """

    def open_stream(self) -> VoiceActivityStream:
        """A detector's stream for the whole conversation; it follows an exchange by itself."""
        ...

    def hearing(self) -> AbstractAsyncContextManager[HearingEngines]: ...

    def replying(self) -> AbstractAsyncContextManager[ReplyEngines]: ...
