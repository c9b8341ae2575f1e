"""One question asked aloud over a socket of its own, with every byte that came back. Layer 4."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import anyio
from websockets.asyncio.client import ClientConnection, connect

from aura_local.audio.frame import to_pcm16
from aura_local.benchmark.labelled_speech import Utterance
from aura_local.benchmark.server_process import RunningServer
from aura_local.ports import SPEECH_RATE_HZ, Samples

FRAME_SAMPLES: Final = SPEECH_RATE_HZ // 50
ANSWERED_WITHIN_S: Final = 60.0
AUDIO_HEADER_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class SpokenAnswer:
    """What a visitor heard."""

    heard: str
    answer: str
    citations: str
    """JSON."""
    audio: bytes
    """Its beginning, up to the end of the text."""
    received: bytes
    """All messages, one after the other."""


async def ask_aloud(server: RunningServer, utterance: Utterance, silence: Samples) -> SpokenAnswer:
    """The question comes all at once, as after a jam, so that nothing depends on the clock; then silence.

    Raises `TimeoutError` when no reply is over in time.
    """
    options: dict[str, Any] = {"compression": None, "max_size": None, "max_queue": None, "proxy": None}
    async with connect(server.socket_url, **options) as connection:
        await connection.send(
            json.dumps({"type": "start", "key": server.key, "sample_rate_hz": SPEECH_RATE_HZ})
        )
        for first in range(0, len(utterance.samples), FRAME_SAMPLES):
            await connection.send(to_pcm16(utterance.samples[first : first + FRAME_SAMPLES]))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_stay_silent, connection, silence)
            with anyio.fail_after(ANSWERED_WITHIN_S):
                answer = await _listen(connection)
            tasks.cancel_scope.cancel()
        await connection.send(json.dumps({"type": "stop"}))
    return answer


async def _stay_silent(connection: ClientConnection, silence: Samples) -> None:
    place = 0
    while True:
        await connection.send(to_pcm16(silence[place : place + FRAME_SAMPLES]))
        place = (place + FRAME_SAMPLES) % (len(silence) - FRAME_SAMPLES)
        await anyio.sleep(FRAME_SAMPLES / SPEECH_RATE_HZ)


async def _listen(connection: ClientConnection) -> SpokenAnswer:
    received, audio = bytearray(), bytearray()
    heard = citations = ""
    async for message in connection:
        if isinstance(message, bytes):
            received += message
            audio += message[AUDIO_HEADER_BYTES:]
            continue
        received += message.encode()
        event = json.loads(message)
        match event["type"]:
            case "final_transcript":
                heard = event["text"]
            case "citations":
                citations = json.dumps(event["citations"], sort_keys=True)
            case "reply_finished":
                return SpokenAnswer(heard, event["text"], citations, bytes(audio), bytes(received))
            case "error":
                raise ConnectionError(f"the session was refused: {event['code']}")
    raise ConnectionError("the server closed the socket before it had answered")
