"""A visitor at the voice socket: a microphone that never stops, and a loudspeaker with a clock.

Audio leaves in 20 ms frames on absolute deadlines, so that position n of the stream was spoken at
`started_s + n / 16000`; every time is taken on this one clock, outside of the server.
"""

from __future__ import annotations

import json
import struct
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from aura_local.audio.frame import from_pcm16, to_pcm16
from aura_local.benchmark.server_process import RunningServer
from aura_local.ports import SPEECH_RATE_HZ, Samples

FRAME_SAMPLES: Final = SPEECH_RATE_HZ * 20 // 1000
OUTPUT_RATE_HZ: Final = 24_000
ACKNOWLEDGE_S: Final = 0.1
_HEADER: Final = struct.Struct("<BBHIQ")
LOUD: Final = 10 ** (-45 / 20)
"""A 10 ms window above this level (-45 dBFS) is audible."""


@dataclass(slots=True)
class HeardReply:
    """The audio of one reply as it arrived."""

    arrived_s: float = 0.0
    """When its first frame came: playback begins then."""
    pieces: list[tuple[int, Samples]] = field(default_factory=list)
    flushed_s: float | None = None

    @property
    def samples(self) -> Samples:
        """What arrived, by position."""
        length = max((first + len(samples) for first, samples in self.pieces), default=0)
        track = np.zeros(length, dtype=np.float32)
        for first, samples in self.pieces:
            track[first : first + len(samples)] = samples
        return track

    @property
    def audible_s(self) -> float | None:
        """When the first audible 10 ms window was played; None if none was."""
        window = OUTPUT_RATE_HZ // 100
        track = self.samples
        for start in range(0, len(track) - window, window):
            if float(np.sqrt(np.mean(np.square(track[start : start + window])))) > LOUD:
                return self.arrived_s + start / OUTPUT_RATE_HZ
        return None

    def played(self, now_s: float) -> int:
        """Samples played by a moment."""
        until_s = now_s if self.flushed_s is None else min(now_s, self.flushed_s)
        length = max((first + len(samples) for first, samples in self.pieces), default=0)
        return min(length, max(0, int((until_s - self.arrived_s) * OUTPUT_RATE_HZ)))


class VoiceClient:
    """One connection. `messages` are all JSON messages with the time of their arrival."""

    def __init__(self, connection: ClientConnection, room: Callable[[int], Samples]) -> None:
        self._connection = connection
        self._room = room
        self._queue: list[Samples] = []
        self._sent_samples = 0
        self._changed = anyio.Event()
        self.started_s = 0.0
        self.messages: list[tuple[float, dict[str, Any]]] = []
        self.replies: dict[int, HeardReply] = defaultdict(HeardReply)

    async def speak(self, samples: Samples) -> float:
        """Queue an utterance; returns at once with the moment at which its first sample is spoken."""
        position = self._sent_samples + sum(len(queued) for queued in self._queue)
        self._queue.append(samples)
        return self.started_s + position / SPEECH_RATE_HZ

    async def send(self, **message: Any) -> None:
        await self._connection.send(json.dumps(message))

    async def wait_for(self, wanted: Callable[[], bool], *, within_s: float) -> bool:
        """Wait until a condition on what arrived holds; False when it does not in time."""
        with anyio.move_on_after(within_s):
            while not wanted():
                await self._changed.wait()
            return True
        return False

    def since(self, place: int, kind: str) -> list[tuple[float, dict[str, Any]]]:
        """Messages of one type from a place in `messages` on."""
        return [entry for entry in self.messages[place:] if entry[1]["type"] == kind]

    async def run_microphone(self) -> None:
        self.started_s = time.monotonic()
        acknowledged_s = self.started_s
        while True:
            frame = self._next_frame()
            self._sent_samples += len(frame)
            due_s = self.started_s + self._sent_samples / SPEECH_RATE_HZ
            await anyio.sleep(max(0.0, due_s - time.monotonic()))
            await self._connection.send(to_pcm16(frame))
            if due_s - acknowledged_s >= ACKNOWLEDGE_S:
                acknowledged_s = due_s
                await self._acknowledge()

    async def run_reader(self) -> None:
        async for message in self._connection:
            now_s = time.monotonic()
            if isinstance(message, bytes):
                self._hear(now_s, message)
            else:
                event = json.loads(message)
                self.messages.append((now_s, event))
                if event["type"] == "flush" and self.replies[event["reply_id"]].flushed_s is None:
                    self.replies[event["reply_id"]].flushed_s = now_s
            self._changed.set()
            self._changed = anyio.Event()

    def _hear(self, now_s: float, message: bytes) -> None:
        _, _, _, reply_id, first_sample = _HEADER.unpack_from(message)
        reply = self.replies[reply_id]
        if not reply.pieces:
            reply.arrived_s = now_s
        reply.pieces.append((first_sample, from_pcm16(message[_HEADER.size :])))

    def _next_frame(self) -> Samples:
        if not self._queue:
            return self._room(FRAME_SAMPLES)
        head = self._queue[0]
        frame, rest = head[:FRAME_SAMPLES], head[FRAME_SAMPLES:]
        self._queue[:1] = [rest] if len(rest) else []
        if len(frame) < FRAME_SAMPLES:
            frame = np.concatenate([frame, self._room(FRAME_SAMPLES - len(frame))])
        return frame

    async def _acknowledge(self) -> None:
        if self.replies:
            reply_id = max(self.replies)
            played = self.replies[reply_id].played(time.monotonic())
            await self.send(type="played", reply_id=reply_id, samples=played)


@asynccontextmanager
async def open_client(server: RunningServer, room: Callable[[int], Samples]) -> AsyncIterator[VoiceClient]:
    """Connect, start, and keep microphone and loudspeaker going until the end of the block."""
    async with connect(server.socket_url, compression=None, max_size=None) as connection:
        client = VoiceClient(connection, room)
        await client.send(
            type="start",
            key=server.key,
            sample_rate_hz=SPEECH_RATE_HZ,
            output_sample_rate_hz=OUTPUT_RATE_HZ,
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.run_reader)
            await client.wait_for(lambda: bool(client.since(0, "ready")), within_s=10)
            tasks.start_soon(client.run_microphone)
            yield client
            tasks.cancel_scope.cancel()
