"""The wire form of what a voice session says: events to JSON, audio to binary frames. Layer 5."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from aura_local.conversation.events import (
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
from aura_local.errors import AuraError
from aura_local.ports import SPEECH_RATE_HZ

AUDIO_HEADER: Final = struct.Struct("<BBHIQ")
"""u8 version, u8 kind, u16 zero, u32 reply_id, u64 first_sample; 16 bytes, little-endian."""
PROTOCOL_VERSION: Final = 1
REPLY_AUDIO: Final = 1

Message = dict[str, Any]
"""A JSON message without its `sequence`."""

_TYPES: Final[Mapping[type, str]] = {
    SpeechStarted: "speech_started",
    SpeechStopped: "speech_stopped",
    PartialTranscript: "partial_transcript",
    FinalTranscript: "final_transcript",
    ReplyStarted: "reply_started",
    ReplyTextDelta: "reply_text_delta",
    CitationsFound: "citations",
    ReplyAudioStarted: "reply_audio_started",
    PlaybackFlushed: "flush",
    ReplyFinished: "reply_finished",
    TurnMetrics: "turn_metrics",
    TurnFailed: "error",
}


def encode(event: SessionEvent, *, sample_rate_hz: int = SPEECH_RATE_HZ) -> Message:
    """The message of an event; positions of speech become positions at the client's rate."""
    message: Message = {"type": _TYPES[type(event)]}
    for field in dataclasses.fields(event):
        message[field.name] = _value(getattr(event, field.name))
    if isinstance(event, SpeechStarted | SpeechStopped):
        message["sample"] = event.sample * sample_rate_hz // SPEECH_RATE_HZ
    return message


def _value(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value


def encode_error(error: AuraError) -> Message:
    """The `error` message of an error that no turn owns."""
    return {"type": "error", "code": error.code, "message": error.message, "retryable": error.retryable}


def encode_audio(reply_id: int, first_sample: int, pcm16: bytes) -> bytes:
    """A binary frame: header, then 16-bit little-endian PCM at the client's output rate."""
    return AUDIO_HEADER.pack(PROTOCOL_VERSION, REPLY_AUDIO, 0, reply_id, first_sample) + pcm16


to_json: Callable[[Message], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
