"""The voice socket with the real conversation behind it: real storage and retrieval, scripted models."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import numpy as np
import pytest
from aura_server.app import create_app

from aura_local.accounts.api_keys import ApiKeys
from aura_local.adapters.scripted import ScriptedLanguageModel, ScriptedSpeechToText, ScriptedTextToSpeech
from aura_local.engine import Engine
from tests.server.serving import serving
from tests.server.voice_client import VoiceClient, until, voice_client
from tests.support.engine import ScriptedRoom, open_museum, open_scripted_engine

pytestmark = pytest.mark.anyio

QUESTION = "when does the museum open"
ANSWER = ["The museum ", "opens at nine. ", "It closes ", "at six."]
FRAME_SAMPLES = 320


def tone(seconds: float) -> bytes:
    """What the scripted detector takes for speech."""
    count = int(seconds * 16_000)
    return bytes((8_000 * np.sin(np.arange(count) * 0.3)).astype("<i2").tobytes())


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * 16_000) * 2)


@dataclass
class Product:
    engine: Engine
    transcriber: ScriptedSpeechToText
    url: str
    key: str

    @asynccontextmanager
    async def client(self, **start: object) -> AsyncIterator[VoiceClient]:
        async with voice_client(self.url, {"type": "start", "key": self.key, **start}) as client:
            yield client


@asynccontextmanager
async def running(folder: Path, *, characters_samples: int = 600) -> AsyncIterator[Product]:
    transcriber = ScriptedSpeechToText([QUESTION])
    room = ScriptedRoom(
        {
            "speech_to_text": transcriber,
            "language_model": ScriptedLanguageModel([ANSWER]),
            "text_to_speech": ScriptedTextToSpeech(samples_per_character=characters_samples),
        }
    )
    async with (
        open_scripted_engine(folder, room=room) as engine,
        open_museum(
            engine, "When does the museum open?", "The museum opens at nine. It closes at six."
        ) as museum,
    ):
        key = (await ApiKeys(engine.catalog.database).issue(museum.id, "tests")).key
        async with serving(create_app(engine), engine.settings.limits) as port:
            yield Product(engine, transcriber, f"ws://127.0.0.1:{port}/ws/voice/continuous", key)


def open_descriptors() -> int:
    """Without Chroma's pool, which keeps a connection for each thread that has asked it something."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the descriptor of this very listing
            count += "/chroma/" not in os.readlink(f"/proc/self/fd/{name}")
    return count


async def say(client: VoiceClient, audio: bytes) -> None:
    """Send in frames of 20 ms; as fast as it goes, for the conversation's time is counted in samples."""
    for start in range(0, len(audio), FRAME_SAMPLES * 2):
        await client.send(audio[start : start + FRAME_SAMPLES * 2])


async def test_a_spoken_turn_from_speech_to_metrics(tmp_path: Path) -> None:
    async with running(tmp_path, characters_samples=100) as product, product.client() as client:
        await client.until("ready")
        await say(client, silence(0.2) + tone(1.0) + silence(1.5))
        finished = await client.until("reply_finished")
        metrics = await client.until("turn_metrics")
    order = [kind for kind in dict.fromkeys(client.order) if kind not in ("accepted", "partial_transcript")]
    assert order[:4] == ["ready", "speech_started", "speech_stopped", "final_transcript"]
    assert order[4] == "reply_started"
    assert order.index("reply_audio_started") < order.index("audio") < order.index("reply_finished")
    assert client.all("final_transcript")[0]["text"] == QUESTION
    assert client.all("citations")[0]["citations"][0]["document"] == "museum.txt"
    assert finished["text"] == "".join(ANSWER)
    assert "".join(delta["text"] for delta in client.all("reply_text_delta")) == "".join(ANSWER)
    assert finished["heard_text"].split() == "".join(ANSWER).split()
    assert sorted(client.audio(1)) == list(range(len(client.audio(1))))
    assert metrics["stages_ms"]["first_audio"] > 0
    assert client.all("speech_started")[0]["sample"] == pytest.approx(3_200, abs=1_600)
    assert client.sequences == list(range(1, len(client.events) + 1))


async def test_an_interruption_silences_at_once_and_keeps_what_was_heard(tmp_path: Path) -> None:
    async with running(tmp_path, characters_samples=4_000) as product, product.client() as client:
        await client.until("ready")
        await client.send({"type": "text", "text": QUESTION})
        await client.until("reply_audio_started")
        await until(lambda: len(client.frames) > 20)
        await client.send({"type": "played", "reply_id": 1, "samples": 4_800})
        await say(client, tone(0.8))
        flush = await client.until("flush")
        # The frames that were on their way came before `flush`; none comes behind it.
        await say(client, silence(1.5))
        finished = await client.until("reply_finished")
        await client.until("reply_started", 2)
    assert 4_800 <= flush["heard_samples"] < 24_000
    assert finished["cancelled"] is True
    assert len(finished["heard_text"]) < len("".join(ANSWER))
    behind = client.order[client.order.index("flush") : client.order.index("reply_finished")]
    assert "audio" not in behind


async def test_a_spoken_question_cut_in_the_middle_is_one_question(tmp_path: Path) -> None:
    async with running(tmp_path, characters_samples=100) as product:
        async with product.client() as client:
            ready = await client.until("ready")
            await say(client, tone(0.5))
            await client.until("speech_started")
            seen = client.sequences[-1]
            client.cut()
        async with product.client(resume=ready["resume"], last_sequence=seen) as client:
            kept = (await client.until("ready"))["accepted_samples"]
            await say(client, (tone(1.0) + silence(1.5))[kept * 2 :])
            await client.until("reply_finished")
        assert len(client.all("final_transcript")) == 1
        assert not client.all("speech_started")
        heard = [call[1] for call in product.transcriber.script.calls if call[0] == "transcribe"]
        assert max(heard) >= 16_000, "the recogniser was given only a part of the question"


async def test_eight_sessions_at_once_all_get_their_answer(tmp_path: Path) -> None:
    async with running(tmp_path, characters_samples=60) as product:

        async def talk() -> None:
            async with product.client() as client:
                await client.until("ready")
                await say(client, tone(0.6) + silence(1.5))
                assert (await client.until("reply_finished"))["text"] == "".join(ANSWER)
                await client.send({"type": "stop"})
                assert await client.until_closed() == 1000

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(talk)


def own_threads() -> int:
    """Those of the pool apart: it grows, within its bound, when two reads of a database meet."""
    return sum(not thread.name.startswith("AnyIO worker") for thread in threading.enumerate())


async def test_thirty_conversations_leave_nothing_behind(tmp_path: Path) -> None:
    async with running(tmp_path, characters_samples=10) as product:
        open_sessions = product.engine.metrics.voice_sessions_open

        async def talk() -> None:
            async with product.client() as client:
                await client.until("ready")
                await say(client, tone(0.3) + silence(1.5))
                await client.until("reply_audio_started")

        def sessions() -> float:
            return sum(sample.value for metric in open_sessions.collect() for sample in metric.samples)

        await talk()
        await until(lambda: not sessions())
        tasks, threads = len(asyncio.all_tasks()), own_threads()
        descriptors = open_descriptors()
        for _ in range(30):
            await talk()
        await until(lambda: not sessions())
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: open_descriptors() <= descriptors)
        assert own_threads() <= threads
