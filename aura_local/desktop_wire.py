"""The voice protocol of server/README.md as its client sees it: what comes, and what was sent. Layer 5."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from aura_local.audio.frame import from_pcm16
from aura_local.conversation.events import (
    Citation,
    CitationsFound,
    FinalTranscript,
    PartialTranscript,
    PlaybackFlushed,
    ReplyAudioStarted,
    ReplyFinished,
    ReplyStarted,
    ReplyTextDelta,
    SessionEvent,
    SpeechStarted,
    SpeechStopped,
    TurnFailed,
    TurnMetrics,
)
from aura_local.errors import ProtocolViolation
from aura_local.ports import Samples

_HEADER: Final = struct.Struct("<BBHIQ")
"""u8 version, u8 kind, u16 zero, u32 reply_id, u64 first_sample; 16 bytes, little-endian."""
_REPLY_AUDIO: Final = (1, 1)
"""Version and kind."""
_SAMPLE_BYTES: Final = 2

_EVENTS: Final[Mapping[str, type[SessionEvent]]] = {
    "speech_started": SpeechStarted,
    "speech_stopped": SpeechStopped,
    "partial_transcript": PartialTranscript,
    "final_transcript": FinalTranscript,
    "reply_started": ReplyStarted,
    "reply_text_delta": ReplyTextDelta,
    "citations": CitationsFound,
    "reply_audio_started": ReplyAudioStarted,
    "flush": PlaybackFlushed,
    "reply_finished": ReplyFinished,
    "turn_metrics": TurnMetrics,
}


@dataclass(frozen=True, slots=True)
class ReplyAudio:
    """A piece of a reply: its samples, at the rate that was asked for, and where in the reply they belong."""

    reply_id: int
    first_sample: int
    samples: Samples


def parse_message(text: str) -> dict[str, Any]:
    """A JSON message. Raises `ProtocolViolation` for what is none."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise not_ours() from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise not_ours()
    return message


def parse_audio(data: bytes) -> ReplyAudio | None:
    """A binary message; None for a kind that is not known here. Raises `ProtocolViolation`."""
    if len(data) < _HEADER.size or len(data) % _SAMPLE_BYTES:
        raise not_ours()
    version, kind, _, reply_id, first_sample = _HEADER.unpack_from(data)
    if (version, kind) != _REPLY_AUDIO:
        return None
    return ReplyAudio(reply_id, first_sample, from_pcm16(data[_HEADER.size :]))


def event_of(message: Mapping[str, Any]) -> SessionEvent | None:
    """The event that a message tells; None for one that tells none. Raises `ProtocolViolation`."""
    try:
        if message["type"] == "error":
            return _failed_turn(message)
        kind = _EVENTS.get(message["type"])
        if kind is None:
            return None
        if kind is CitationsFound:
            citations = tuple(Citation(**citation) for citation in message["citations"])
            return CitationsFound(message["reply_id"], citations)
        return kind(**{field.name: message[field.name] for field in fields(kind)})
    except (KeyError, TypeError) as error:
        raise not_ours() from error


def _failed_turn(message: Mapping[str, Any]) -> TurnFailed | None:
    turn = message.get("turn")
    if turn is None:
        return None
    return TurnFailed(turn, message["code"], message["message"], message["retryable"])


def not_ours() -> ProtocolViolation:
    """What is raised for a server that says what the protocol does not know."""
    return ProtocolViolation("The server does not speak this version's voice protocol; are both up to date?")


class SentAudio:
    """16-bit PCM that the server may not have yet: kept until accepted, to be sent again after a drop.

    Positions are samples since the start of the session.
    """

    def __init__(self, most_samples: int) -> None:
        self.most_samples = most_samples
        """The oldest samples beyond these are forgotten."""
        self.first = 0
        """Position of the first sample kept."""
        self._kept = bytearray()

    @property
    def end(self) -> int:
        """Position after the last sample."""
        return self.first + len(self._kept) // _SAMPLE_BYTES

    def add(self, pcm16: bytes) -> None:
        self._kept += pcm16
        self._forget(self.end - self.most_samples)

    def accepted(self, position: int) -> None:
        """The server has everything before `position`."""
        self._forget(min(position, self.end))

    def restart(self) -> None:
        """A new session begins: what is kept becomes its first samples."""
        self.first = 0

    def after(self, position: int, most_samples: int) -> bytes:
        """At most so many samples from `position` on, or from the first that is kept; empty at the end."""
        start = (max(position, self.first) - self.first) * _SAMPLE_BYTES
        return bytes(self._kept[start : start + most_samples * _SAMPLE_BYTES])

    def _forget(self, position: int) -> None:
        if position > self.first:
            del self._kept[: (position - self.first) * _SAMPLE_BYTES]
            self.first = position
