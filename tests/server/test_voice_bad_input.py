"""Every way to use the voice socket wrongly ends in one clear error; the server lives on."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from tests.server.voice_client import until
from tests.server.voice_server import voice_server
from tests.support.virtual_time import VIRTUAL_TIME

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


FRAME_LIMIT_BYTES = 64 * 1024


WRONG_BEGINNINGS: list[tuple[dict[str, Any] | str | bytes, str, int]] = [
    ({"type": "start", "key": "wrong"}, "authentication_failed", 4401),
    ({"type": "start"}, "authentication_failed", 4401),
    ({"type": "text", "text": "When?"}, "start_missing", 4400),
    ("no json", "not_json", 4400),
    ("[" * 60_000, "not_json", 4400),
    ("[1]", "not_an_object", 4400),
    ({"type": "begin"}, "unknown_type", 4400),
    ({"type": ["start"]}, "unknown_type", 4400),
    ({"type": "start", "key": "key-one", "sample_rate_hz": 7_999}, "protocol_violation", 4400),
    ({"type": "start", "key": "key-one", "sample_rate_hz": "16000"}, "protocol_violation", 4400),
    ({"type": "start", "key": "key-one", "output_sample_rate_hz": 48_001}, "protocol_violation", 4400),
    ({"type": "start", "key": "key-one", "output_format": "opus"}, "protocol_violation", 4400),
    ({"type": "start", "key": "key-one", "surprise": 1}, "protocol_violation", 4400),
    (b"\0\0", "audio_before_start", 4400),
    (bytes(FRAME_LIMIT_BYTES + 2), "payload_too_large", 1009),
]


async def test_a_wrong_beginning_is_one_error_then_a_close() -> None:
    async with voice_server() as server:
        for first_message, code, close_code in WRONG_BEGINNINGS:
            async with server.client(start={}) as client:
                await client.send(first_message)
                closed_with = await client.until_closed()
                assert [(error["code"], error["sequence"]) for error in client.events] == [(code, 1)]
                assert closed_with == close_code, first_message
        assert server.registry.sessions == 0
        async with server.client() as client:
            await client.until("ready")


async def test_no_start_in_time_is_4401() -> None:
    async with (
        voice_server(limits={"start_deadline_s": 0.1}) as server,
        server.client(start={}) as client,
    ):
        assert await client.until_closed() == 4401
        assert [event["code"] for event in client.events] == ["start_too_late"]


WRONG_MESSAGES: list[tuple[dict[str, Any] | str | bytes, str]] = [
    ("no json", "not_json"),
    ("null", "not_an_object"),
    ({"type": "sing"}, "unknown_type"),
    ({"type": "start", "key": "key-one"}, "already_started"),
    ({"type": "text"}, "protocol_violation"),
    ({"type": "text", "text": " \n"}, "protocol_violation"),
    ({"type": "text", "text": "x" * 2001}, "payload_too_large"),
    ({"type": "played", "reply_id": 1, "samples": 10}, "protocol_violation"),
    ({"type": "played", "reply_id": 1, "samples": -1}, "protocol_violation"),
    ({"type": "played", "reply_id": 1, "samples": 1.5}, "protocol_violation"),
    ({"type": "cancel", "reply_id": 1}, "protocol_violation"),
    (b"\0\0\0", "odd_audio"),
]


async def test_a_wrong_message_is_one_error_and_the_session_goes_on() -> None:
    async with voice_server() as server, server.client() as client:
        await client.until("ready")
        for number, (message, code) in enumerate(WRONG_MESSAGES, 1):
            await client.send(message)
            assert (await client.until("error", number))["code"] == code, message
        await client.send({"type": "text", "text": "x" * 2000})
        await client.until("reply_finished")
        assert len(client.all("error")) == len(WRONG_MESSAGES)


async def test_an_error_does_not_repeat_what_the_client_sent() -> None:
    async with voice_server() as server, server.client() as client:
        await client.until("ready")
        for message in (
            {"type": "my secret"},
            {"type": "text", "my secret": 1, "text": "a"},
            {"type": "text", "text": ["my secret"]},
            "my secret",
        ):
            await client.send(message)
        await client.until("error", 4)
        assert "secret" not in json.dumps(client.events)


async def test_a_frame_at_the_limit_passes_and_one_beyond_ends_the_session() -> None:
    async with voice_server() as server:
        async with server.client() as client:
            await client.until("ready")
            await client.send(bytes(FRAME_LIMIT_BYTES))
            await client.send(bytes(FRAME_LIMIT_BYTES + 2))
            assert (await client.until("error"))["code"] == "payload_too_large"
            assert await client.until_closed() == 1009
            assert server.engine.conversations[0].heard_samples == FRAME_LIMIT_BYTES // 2
        await server.until_empty()


async def test_a_frame_that_the_server_below_refuses_leaves_a_session_to_resume() -> None:
    async with voice_server(frame_bytes_below=FRAME_LIMIT_BYTES) as server:
        async with server.client() as client:
            ready = await client.until("ready")
            await client.send(bytes(FRAME_LIMIT_BYTES + 2))
            assert await client.until_closed() == 1009
        async with server.client(start={"resume": ready["resume"]}) as client:
            await client.until("ready")


async def test_audio_faster_than_a_person_speaks_ends_the_session() -> None:
    async with voice_server() as server:
        async with server.client() as client:
            await client.until("ready")
            for _ in range(12):
                await client.send(bytes(16_000))  # six seconds at once
            error = await client.until("error")
            assert (error["code"], error["retryable"]) == ("audio_too_fast", True)
            assert await client.until_closed() == 4400
        await server.until_empty()


async def test_a_flood_of_messages_ends_the_session() -> None:
    async with voice_server() as server:
        async with server.client() as client:
            await client.until("ready")
            with anyio.move_on_after(2):
                for _ in range(700):
                    await client.send(b"\0\0")
            assert (await client.until("error"))["code"] == "flooding"
            assert await client.until_closed() == 4400
        await server.until_empty()


async def test_a_client_that_stops_sending_in_mid_utterance_is_noticed_once() -> None:
    async with voice_server(limits={"input_stall_ms": 200}) as server, server.client() as client:
        await client.until("ready")
        await anyio.sleep(0.3)
        assert server.engine.conversations[0].stalls == 0, "a microphone that never spoke has not stalled"
        await client.send(bytes(640))
        await until(lambda: server.engine.conversations[0].stalls == 1)
        await anyio.sleep(0.3)
        assert server.engine.conversations[0].stalls == 1
        await client.send(bytes(640))
        await until(lambda: server.engine.conversations[0].stalls == 2)


async def test_a_dropped_connection_is_no_stall() -> None:
    async with voice_server(limits={"input_stall_ms": 200}) as server:
        async with server.client() as client:
            ready = await client.until("ready")
            await client.send(bytes(640))
            await until(lambda: server.engine.conversations[0].heard_samples > 0)
            client.cut()
        await anyio.sleep(0.4)
        assert server.engine.conversations[0].stalls == 0
        async with server.client(start={"resume": ready["resume"]}) as client:
            await client.until("ready")
            await until(lambda: server.engine.conversations[0].stalls == 1)


async def test_an_idle_connection_is_closed_and_may_resume() -> None:
    async with voice_server(limits={"idle_s": 0.2}) as server:
        async with server.client() as client:
            ready = await client.until("ready")
            assert (await client.until("error"))["code"] == "idle"
            assert await client.until_closed() == 4504
        async with server.client(start={"resume": ready["resume"]}) as client:
            await client.until("ready")


async def test_a_session_has_a_longest_duration() -> None:
    async with voice_server(limits={"session_s": 0.2}, answer_samples=240_000) as server:
        async with server.client() as client:
            await client.send({"type": "text", "text": "Tell me everything."})
            assert (await client.until("error"))["code"] == "deadline_exceeded"
            assert await client.until_closed() == 4504
        await server.until_empty()


async def test_nothing_can_follow_stop() -> None:
    async with voice_server(answer_samples=24_000) as server, server.client() as client:
        await client.send({"type": "text", "text": "When?"})
        await client.send({"type": "stop"})
        await client.send({"type": "text", "text": "And then?"})
        await client.send(bytes(640))
        await client.until("error", 2)
        assert [error["code"] for error in client.all("error")] == ["text_after_stop", "audio_after_stop"]
        assert await client.until_closed() == 1000
        assert server.engine.conversations[0].asked == ["When?"]
