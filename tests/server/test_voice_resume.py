"""Dropped connections: what was said and what is answered survive them."""

from __future__ import annotations

from typing import Any

import anyio
import numpy as np
import pytest

from tests.server.voice_client import until
from tests.server.voice_server import voice_server
from tests.support.virtual_time import VIRTUAL_TIME

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


def speech(first: int, count: int) -> bytes:
    """PCM16 whose values are their positions; a lost, doubled or shifted sample shows."""
    return (np.arange(first, first + count) % 30_000).astype("<i2").tobytes()


async def test_a_question_cut_in_the_middle_arrives_whole() -> None:
    async with voice_server() as server:
        async with server.client() as client:
            ready = await client.until("ready")
            for first in range(0, 8_000, 320):
                await client.send(speech(first, 320))
            await until(lambda: server.engine.conversations[0].heard_samples == 8_000)
            seen = client.sequences[-1]
            client.cut()
        await until(lambda: not server.engine.conversations[0].stalls)
        again = {"resume": ready["resume"], "from_sample": 6_400, "last_sequence": seen}
        async with server.client(start=again) as client:
            resumed = await client.until("ready")
            assert resumed["resumed"]
            assert resumed["accepted_samples"] == 8_000
            assert resumed["session_id"] == ready["session_id"]
            for first in range(6_400, 16_000, 320):
                await client.send(speech(first, 320))
            await client.until("final_transcript")
            assert (await client.until("accepted"))["samples"] == 16_000
        heard = np.concatenate(server.engine.conversations[0].heard)
        assert (heard * 32768).astype(int).tolist() == [n % 30_000 for n in range(16_000)]
        assert len(server.engine.conversations) == 1


async def test_an_answer_cut_in_the_middle_arrives_whole_and_once() -> None:
    async with voice_server(answer_samples=36_000) as server:
        async with server.client() as client:
            ready = await client.until("ready")
            await client.send({"type": "text", "text": "When?"})
            await client.until("reply_audio_started")
            await until(lambda: len(client.frames) >= 20)
            await client.send({"type": "played", "reply_id": 1, "samples": 4_000})
            await anyio.sleep(0.05)
            client.cut()
            first_audio, first_events = client.audio(1), list(client.events)
        seen = first_events[-1]["sequence"]
        again = {"resume": ready["resume"], "last_sequence": seen}
        async with server.client(start=again) as client:
            await client.until("reply_finished")
            await client.until("turn_metrics")
            rest, events = client.audio(1), client.events
    assert min(rest) <= max(first_audio) + 1, "samples between the two connections are missing"
    assert min(rest) >= 4_000, "what was acknowledged came again"
    assert {**first_audio, **rest} == {n: n % 32_768 for n in range(36_000)}
    assert events[0]["sequence"] == seen
    numbers = [event["sequence"] for event in [*first_events, *events[1:]]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert events[-2]["cancelled"] is False


async def test_an_answer_given_while_nobody_was_there_is_fetched_later() -> None:
    async with voice_server(answer_samples=0) as server:
        async with server.client() as client:
            ready = await client.until("ready")
            await client.send({"type": "text", "text": "When?"})
            await until(lambda: bool(server.engine.conversations[0].asked))
            client.cut()
        async with server.client(start={"resume": ready["resume"], "last_sequence": 1}) as client:
            finished = await client.until("reply_finished")
            assert finished["text"] == "We open at ten."
            assert client.sequences[0] == 1


async def test_the_end_of_a_stopped_session_can_be_fetched() -> None:
    async with voice_server(answer_samples=12_000) as server:
        async with server.client() as client:
            ready = await client.until("ready")
            await client.send({"type": "text", "text": "When?"})
            await client.send({"type": "stop"})
            await client.until("accepted")
            client.cut()
        async with server.client(start={"resume": ready["resume"]}) as client:
            assert await client.until_closed() == 1000
            assert client.all("reply_finished")[0]["cancelled"] is False
        await server.until_empty()


async def test_a_second_connection_replaces_the_first_and_closes_it() -> None:
    async with voice_server() as server, server.client() as first:
        ready = await first.until("ready")
        async with server.client(start={"resume": ready["resume"]}) as second:
            await second.until("ready")
            assert await first.until_closed() == 4409
            await second.send({"type": "text", "text": "Still there?"})
            await second.until("reply_finished")
            assert server.registry.sessions == 1


async def test_a_gap_in_the_audio_is_heard_as_silence() -> None:
    async with voice_server() as server:
        async with server.client() as client:
            ready = await client.until("ready")
            await client.send(speech(0, 1_600))
            await until(lambda: server.engine.conversations[0].heard_samples == 1_600)
            client.cut()
        async with server.client(start={"resume": ready["resume"], "from_sample": 3_200}) as client:
            await client.until("ready")
            await client.send(speech(3_200, 1_600))
            await until(lambda: server.engine.conversations[0].heard_samples == 4_800)
        heard = np.concatenate(server.engine.conversations[0].heard)
        assert not heard[1_600:3_200].any()
        assert int(heard[3_200] * 32768) == 3_200


WRONG_RETURNS: list[tuple[dict[str, object], str, int]] = [
    ({"resume": "unknown"}, "not_resumable", 4404),
    ({"key": "key-two"}, "not_resumable", 4404),
    ({"sample_rate_hz": 8_000}, "protocol_violation", 4400),
    ({"last_sequence": 10_000}, "protocol_violation", 4400),
    ({"from_sample": 10**9}, "protocol_violation", 4400),
]


async def test_resuming_wrongly_is_an_error_and_the_session_still_waits() -> None:
    async with voice_server() as server:
        async with server.client() as client:
            ready = await client.until("ready")
            client.cut()
        for start, code, close_code in WRONG_RETURNS:
            async with server.client(start={"resume": ready["resume"], **start}) as client:
                assert (await client.until("error"))["code"] == code
                assert await client.until_closed() == close_code
        async with server.client(start={"resume": ready["resume"]}) as client:
            assert (await client.until("ready"))["resumed"]


async def test_positions_without_a_token_are_an_error() -> None:
    async with voice_server() as server, server.client(start={"from_sample": 0}) as client:
        assert (await client.until("error"))["code"] == "protocol_violation"
        assert server.registry.sessions == 0


async def test_a_client_that_stops_reading_is_dropped_and_may_resume() -> None:
    limits = {"send_deadline_s": 0.2}
    async with voice_server(limits=limits, answer_samples=24_000 * 20) as server:
        async with server.client(max_queue=1) as client:
            ready = await client.until("ready")
            # Nothing is read any more: the windows of both ends fill up.
            client.socket.transport.pause_reading()
            live = next(iter(server.registry._entries.values())).live
            for _ in range(200):
                live.link.publish({"type": "reply_text_delta", "reply_id": 1, "text": "x" * 60_000})
            await until(lambda: not live.link.attached)
            assert server.registry.sessions == 1
            client.cut()
        async with server.client(start={"resume": ready["resume"], "last_sequence": 150}) as client:
            await client.until("reply_text_delta", 51)
            assert client.sequences[:2] == [150, 151]
            await client.send({"type": "text", "text": "When?"})
            await client.until("final_transcript")
