"""A client of the voice socket that keeps everything it receives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from aura_server.voice_encoding import AUDIO_HEADER
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody announces; fails after 5 s."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)


@asynccontextmanager
async def voice_client(url: str, start: dict[str, Any] | None, **options: Any) -> AsyncIterator[VoiceClient]:
    """A connected client that reads in the background; `start` is sent first, if there is one."""
    async with connect(url, proxy=None, compression=None, **options) as socket:
        client = VoiceClient(socket)
        reader = asyncio.create_task(client.read())
        try:
            if start:
                await client.send(start)
            yield client
        finally:
            reader.cancel()
            await asyncio.wait([reader])


class VoiceClient:
    """Keeps everything it receives, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self.frames: list[tuple[int, int, bytes]] = []
        self.order: list[str] = []
        self.closed = asyncio.Event()
        self._news = asyncio.Condition()

    async def read(self) -> None:
        try:
            async for data in self.socket:
                if isinstance(data, bytes):
                    _, _, _, reply_id, first_sample = AUDIO_HEADER.unpack_from(data)
                    self.frames.append((reply_id, first_sample, data[AUDIO_HEADER.size :]))
                    self.order.append("audio")
                else:
                    self.events.append(json.loads(data))
                    self.order.append(self.events[-1]["type"])
                async with self._news:
                    self._news.notify_all()
        except ConnectionClosed:
            pass
        self.closed.set()
        async with self._news:
            self._news.notify_all()

    async def send(self, message: dict[str, Any] | str | bytes) -> None:
        await self.socket.send(json.dumps(message) if isinstance(message, dict) else message)

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The `count`th message of a type; fails when it does not come."""
        async with asyncio.timeout(5):
            async with self._news:
                await self._news.wait_for(lambda: len(self.all(kind)) >= count or self.closed.is_set())
        found = self.all(kind)
        assert len(found) >= count, f"closed with {self.socket.close_code} before {kind}: {self.order}"
        return found[count - 1]

    async def until_closed(self) -> int:
        async with asyncio.timeout(5):
            await self.closed.wait()
        code = self.socket.close_code
        assert code is not None
        return code

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def sequences(self) -> list[int]:
        return [event["sequence"] for event in self.events]

    def audio(self, reply_id: int) -> dict[int, int]:
        """PCM values by position, of everything received of a reply."""
        values: dict[int, int] = {}
        for reply, first, pcm in self.frames:
            if reply == reply_id:
                values |= dict(enumerate(np.frombuffer(pcm, "<i2").tolist(), first))
        return values

    def cut(self) -> None:
        """Lose the connection without a word, as when a cable is pulled."""
        self.socket.transport.abort()
