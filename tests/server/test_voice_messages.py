"""Events and the messages they become."""

from __future__ import annotations

from typing import get_args

import pytest
from aura_server.voice_encoding import encode, encode_audio, encode_error, to_json
from aura_server.voice_messages import (
    SERVER_MESSAGES,
    Start,
    Text,
    message_type,
    parse_client_message,
)

from aura_local.conversation import events
from aura_local.errors import PayloadTooLarge, ProtocolViolation, TooManySessions

CITATION = events.Citation("d1", "hours.md", "Opening hours", 2, 3, 10, 42, "Wir öffnen um zehn.")
EVENTS: list[events.SessionEvent] = [
    events.SpeechStarted(1, 16_000),
    events.SpeechStopped(1, 32_000),
    events.PartialTranscript(1, "when do", 4),
    events.FinalTranscript(1, "when do you open"),
    events.ReplyStarted(7, 1),
    events.ReplyTextDelta(7, "At ten."),
    events.CitationsFound(7, (CITATION,)),
    events.ReplyAudioStarted(7),
    events.PlaybackFlushed(7, 480),
    events.ReplyFinished(7, "At ten.", "At", True),
    events.TurnMetrics(1, 7, {"transcribed": 12.5}, {"speculations": 2}),
    events.TurnFailed(1, "lane_busy", "Try again.", True),
]
MODELS = {message_type(model): model for model in SERVER_MESSAGES}


def test_there_is_an_example_of_every_event_here() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(events.SessionEvent))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_becomes_a_valid_message(event: events.SessionEvent) -> None:
    message = encode(event)
    MODELS[message["type"]].model_validate_json(to_json({**message, "sequence": 1}))


def test_positions_of_speech_are_told_at_the_clients_rate() -> None:
    assert encode(events.SpeechStarted(1, 16_000), sample_rate_hz=48_000)["sample"] == 48_000
    assert encode(events.PlaybackFlushed(1, 480), sample_rate_hz=48_000)["heard_samples"] == 480


def test_an_error_becomes_a_valid_message() -> None:
    message = {**encode_error(TooManySessions("No free session.")), "sequence": 1}
    MODELS["error"].model_validate_json(to_json(message))
    assert message["retryable"] is True


def test_the_audio_header_is_sixteen_bytes_little_endian() -> None:
    frame = encode_audio(0x01020304, 0x0102030405060708, b"\x01\x00")
    assert frame.hex(" ") == "01 01 00 00 04 03 02 01 08 07 06 05 04 03 02 01 01 00"


def test_start_has_the_defaults_of_the_protocol() -> None:
    start = parse_client_message('{"type": "start"}', question_characters=10)
    assert isinstance(start, Start)
    assert (start.sample_rate_hz, start.output_sample_rate_hz) == (16_000, 24_000)
    assert start.output_format == "pcm16"


def test_secrets_do_not_appear_when_a_message_is_printed() -> None:
    start = parse_client_message('{"type": "start", "key": "hush", "resume": "hush"}', question_characters=10)
    assert "hush" not in repr(start)


def test_a_question_is_limited_to_the_character() -> None:
    assert parse_client_message('{"type": "text", "text": "ab"}', question_characters=2) == Text(
        type="text", text="ab"
    )
    with pytest.raises(PayloadTooLarge):
        parse_client_message('{"type": "text", "text": "abc"}', question_characters=2)


@pytest.mark.parametrize("rate_hz", [7_999, 48_001, 16_000.0, "16000", True, None])
def test_rates_outside_the_range_or_of_another_kind_are_refused(rate_hz: object) -> None:
    with pytest.raises(ProtocolViolation, match="sample_rate_hz"):
        parse_client_message(to_json({"type": "start", "sample_rate_hz": rate_hz}), question_characters=10)
