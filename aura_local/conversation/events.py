"""What a voice session tells its client, in the order it happens.

These are the JSON messages of `/ws/voice/continuous` without their wire form; the desktop and the demo
read the same events. Positions of speech are counted in samples at 16 kHz since the session's start,
positions in a reply in samples at the reply's own rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Citation:
    """The place in the tenant's documents that an answer rests on."""

    document_id: str
    document: str
    """Name of the document as it was uploaded."""
    heading: str
    """Headings above the passage, outermost first, joined by " > "; may be empty."""
    page: int | None
    """1-based page, where the format has pages."""
    passage_id: int
    start_character: int
    """Span of the passage in the document's extracted text."""
    end_character: int
    quote: str
    """The sentence that supports the answer."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    turn: int
    sample: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """A pause; the turn is not over before `FinalTranscript`."""

    turn: int
    sample: int


@dataclass(frozen=True, slots=True)
class PartialTranscript:
    """What was heard so far; may still change, except for its stable beginning."""

    turn: int
    text: str
    stable_characters: int


@dataclass(frozen=True, slots=True)
class FinalTranscript:
    """The turn is over and this is what was heard, spoken or typed."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    reply_id: int
    turn: int


@dataclass(frozen=True, slots=True)
class ReplyTextDelta:
    """The next piece of the answer; the pieces of a reply, joined, are its full text."""

    reply_id: int
    text: str


@dataclass(frozen=True, slots=True)
class CitationsFound:
    reply_id: int
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class ReplyAudioStarted:
    """The first audio of the reply follows."""

    reply_id: int


@dataclass(frozen=True, slots=True)
class PlaybackFlushed:
    """Silence the reply at once and drop what is queued of it."""

    reply_id: int
    heard_samples: int


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    reply_id: int
    text: str
    """The answer as generated (spoken or not)."""
    heard_text: str
    """The part that was heard; what the conversation remembers."""
    cancelled: bool


@dataclass(frozen=True, slots=True)
class TurnMetrics:
    """Where the time of a turn went."""

    turn: int
    reply_id: int
    stages_ms: Mapping[str, float]
    """Milliseconds from the last speech sample (or from the typed question) to the end of each stage:
    `pause_detected`, `transcribed`, `retrieved`, `first_text`, `first_audio_ready`, `committed`,
    `first_audio`."""
    work: Mapping[str, int]
    """Work counted: `encoder_frames`, `speech_tokens`, `prompt_tokens_evaluated`, `prompt_tokens_reused`,
    `generated_tokens`, `wasted_tokens`, `speculations`."""


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """The turn ended without an answer; the session goes on."""

    turn: int
    code: str
    message: str
    retryable: bool


SessionEvent: TypeAlias = (
    SpeechStarted
    | SpeechStopped
    | PartialTranscript
    | FinalTranscript
    | ReplyStarted
    | ReplyTextDelta
    | CitationsFound
    | ReplyAudioStarted
    | PlaybackFlushed
    | ReplyFinished
    | TurnMetrics
    | TurnFailed
)
