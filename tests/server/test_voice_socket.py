"""The voice socket over a real connection: turns, flushing, ends, and what is left afterwards."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import anyio
import pytest
from websockets.exceptions import InvalidStatus

from aura_local.errors import ModelMissing
from tests.server.answering_conversation import CITATION
from tests.server.voice_client import until
from tests.server.voice_server import voice_server
from tests.support.virtual_time import VIRTUAL_TIME

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


SECOND = bytes(32_000)
"""One second of silence at 16 kHz."""


async def test_a_typed_question_is_answered_in_text_and_audio() -> None:
    async with voice_server() as server, server.client() as client:
        ready = await client.until("ready")
        assert (ready["sample_rate_hz"], ready["output_sample_rate_hz"]) == (16_000, 24_000)
        assert ready["accepted_samples"] == 0
        assert not ready["resumed"]
        await client.send({"type": "text", "text": "When do you open?"})
        finished = await client.until("reply_finished")
        await client.until("turn_metrics")
    assert server.engine.conversations[0].asked == ["When do you open?"]
    assert finished["text"] == "We open at ten."
    assert finished["cancelled"] is False
    assert "".join(delta["text"] for delta in client.all("reply_text_delta")) == "Weopenatten."
    assert client.all("citations")[0]["citations"][0]["document"] == CITATION.document
    assert client.audio(1) == {position: position for position in range(2400)}
    assert client.order.index("reply_audio_started") < client.order.index("audio")
    assert client.sequences == list(range(1, len(client.events) + 1))


async def test_spoken_samples_arrive_resampled_and_are_counted_at_the_clients_rate() -> None:
    async with voice_server() as server, server.client(start={"sample_rate_hz": 48_000}) as client:
        await client.until("ready")
        for _ in range(50):
            await client.send(bytes(48_000 // 50 * 2))
        await client.send({"type": "stop"})
        assert (await client.until("accepted"))["samples"] == 48_000
        assert await client.until_closed() == 1000
        assert server.engine.conversations[0].heard_samples == 16_000
        assert client.all("speech_stopped")[0]["sample"] == pytest.approx(48_000, abs=300)


async def test_accepted_is_told_every_second() -> None:
    async with voice_server() as server, server.client() as client:
        await client.until("ready")
        await client.send(SECOND)
        assert (await client.until("accepted"))["samples"] == 16_000
        await client.send(SECOND)
        assert (await client.until("accepted", 2))["samples"] == 32_000


async def test_cancel_flushes_before_anything_else_and_no_more_audio_follows() -> None:
    async with voice_server(answer_samples=240_000) as server, server.client() as client:
        await client.send({"type": "text", "text": "Tell me everything."})
        await client.until("reply_audio_started")
        await anyio.sleep(0.2)
        await client.send({"type": "cancel"})
        flush = await client.until("flush")
        finished = await client.until("reply_finished")
        await anyio.sleep(0.1)
    assert finished["cancelled"] is True
    assert flush["reply_id"] == 1
    assert 0 < flush["heard_samples"] < 24_000
    assert "audio" not in client.order[client.order.index("flush") :]
    assert len(client.all("flush")) == 1
    sent = max(first for _, first, _ in client.frames)
    assert sent <= 0.8 * 24_000


async def test_stop_answers_what_was_said_then_closes_normally() -> None:
    async with voice_server() as server, server.client() as client:
        await client.send({"type": "text", "text": "When?"})
        await client.send({"type": "stop"})
        assert await client.until_closed() == 1000
        assert client.all("reply_finished")[0]["cancelled"] is False
        assert client.order[-1] == "turn_metrics"
        await server.until_empty()


async def test_played_moves_the_heard_position() -> None:
    async with voice_server(answer_samples=48_000) as server, server.client() as client:
        await client.send({"type": "text", "text": "When?"})
        await client.until("reply_audio_started")
        await anyio.sleep(0.3)
        await client.send({"type": "played", "reply_id": 1, "samples": 480})
        await client.send({"type": "cancel"})
        assert 480 <= (await client.until("flush"))["heard_samples"] < 1500


async def test_the_key_may_come_in_a_header() -> None:
    headers = {"Authorization": "Bearer key-two"}
    async with (
        voice_server() as server,
        server.client(start={"key": None}, additional_headers=headers) as client,
    ):
        await client.until("ready")
        assert server.engine.leases.held == ["tenant-two"]


async def test_origins_of_strangers_are_refused_and_ours_are_not() -> None:
    async with voice_server() as server:
        with pytest.raises(InvalidStatus) as refused:
            async with server.client(origin="http://evil.example"):
                pass
        assert refused.value.response.status_code == 403
        assert b"origin_not_allowed" in (refused.value.response.body or b"")
        async with server.client(origin=f"http://{server.address}") as client:
            await client.until("ready")


async def test_a_client_that_says_goodbye_ends_its_session_at_once() -> None:
    async with voice_server() as server:
        async with server.client() as client:
            await client.until("ready")
            assert server.registry.sessions == 1
        await server.until_empty()


async def test_a_dropped_session_ends_when_nobody_resumes_it() -> None:
    async with voice_server(limits={"resume_s": 0.1}) as server, server.client() as client:
        await client.until("ready")
        client.cut()
        await server.until_empty()


async def test_limits_per_tenant_and_per_server() -> None:
    async with (
        voice_server(limits={"sessions": 2, "sessions_per_tenant": 1}) as server,
        server.client() as one,
        server.client(start={"key": "key-two"}) as two,
    ):
        await one.until("ready")
        await two.until("ready")
        async with server.client() as refused:
            assert (await refused.until("error"))["code"] == "too_many_sessions"
            assert await refused.until_closed() == 4429
        await one.socket.close()
        await until(lambda: server.registry.sessions == 1)
        async with server.client() as allowed:
            await allowed.until("ready")


async def test_a_missing_model_is_told_and_leaves_nothing_behind() -> None:
    missing = ModelMissing("No recogniser is installed; run `aura models get`.")
    async with voice_server(opening_failure=missing) as server:
        async with server.client() as client:
            error = await client.until("error")
            assert (error["code"], error["sequence"]) == ("model_missing", 1)
            assert await client.until_closed() == 1011
        await server.until_empty()


async def test_a_failing_session_is_told_and_the_server_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    async with voice_server(failure=RuntimeError("secret words")) as server:
        async with server.client() as client:
            error = await client.until("error")
            assert error["code"] == "internal_error"
            assert "secret" not in error["message"]
            assert await client.until_closed() == 1011
        await server.until_empty()
        server.engine.failure = None
        async with server.client() as client:
            await client.until("ready")


async def test_shutdown_ends_sessions_that_still_run() -> None:
    async with voice_server(answer_samples=240_000) as server, server.client() as client:
        await client.send({"type": "text", "text": "Tell me everything."})
        await client.until("reply_audio_started")
        leases = server.engine.leases
    assert leases.held == []
    assert server.registry.sessions == 0


async def test_thirty_connections_leave_nothing_behind() -> None:
    async with voice_server() as server:

        async def connect_and_talk(number: int) -> None:
            async with server.client() as client:
                await client.until("ready")
                await client.send(SECOND[:6400])
                await client.send({"type": "text", "text": "When?"})
                await client.until("reply_text_delta")
                if number % 3 == 0:
                    await client.send({"type": "stop"})
                    await client.until_closed()

        await connect_and_talk(0)
        await server.until_empty()
        tasks, threads = len(asyncio.all_tasks()), threading.active_count()
        descriptors = len(os.listdir("/proc/self/fd"))
        for number in range(30):
            await connect_and_talk(number)
        await server.until_empty()
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)
        assert threading.active_count() == threads
