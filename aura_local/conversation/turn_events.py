"""What can happen to a turn: the events the turn machine takes. Those of the speech gate are among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from aura_local.conversation.speech_gate import SpeechPaused, SpeechStarted, SpeechSustained


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Another frame has been heard."""

    sample: int
    quiet: bool
    """The newest frame gives no hint of speech."""


@dataclass(frozen=True, slots=True)
class Transcribed:
    turn: int
    revision: int
    text: str
    wait_ms: int
    """Silence after which the turn is over, given this text."""


@dataclass(frozen=True, slots=True)
class AnswerDoubted:
    """The documents hold nothing on what was said so far: perhaps the rest is still to come."""

    turn: int
    revision: int


@dataclass(frozen=True, slots=True)
class ReplyAudible:
    reply_id: int


@dataclass(frozen=True, slots=True)
class ReplyHeard:
    reply_id: int


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    reply_id: int


@dataclass(frozen=True, slots=True)
class TranscriptionFailed:
    turn: int
    revision: int


@dataclass(frozen=True, slots=True)
class CancelRequested:
    pass


@dataclass(frozen=True, slots=True)
class TextEntered:
    """A typed question; it interrupts whatever is going on."""

    text: str


@dataclass(frozen=True, slots=True)
class InputStalled:
    """No audio comes any more (or ever again): what was said so far is the turn."""


Event: TypeAlias = (
    SpeechStarted
    | SpeechSustained
    | SpeechPaused
    | TimePassed
    | Transcribed
    | AnswerDoubted
    | TranscriptionFailed
    | ReplyAudible
    | ReplyHeard
    | ReplyFailed
    | CancelRequested
    | TextEntered
    | InputStalled
)
