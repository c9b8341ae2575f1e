"""A WebSocket connection on which any byte can be sent: nothing is between the caller and them. Layer 4."""

from __future__ import annotations

import asyncio
import re
from typing import Final
from urllib.parse import urlsplit

from aura_local.benchmark.hostile_frames import CLOSE, frame

_LARGEST_READ_BYTES: Final = 65_536


class RawSocket:
    """A connection whose handshake is done; `open` makes one, `leave` ends it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.received = bytearray()
        """All that the server has sent behind its handshake."""
        self._arrived = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, url: str) -> RawSocket:
        """Connect to `url` (ws://). Raises `AssertionError` for any answer but 101."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        lines = (
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        )
        writer.write("\r\n".join((*lines, "", "")).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise AssertionError(f"the handshake was answered with {head.splitlines()[0].decode()}")
        return cls(reader, writer)

    @property
    def over(self) -> bool:
        """Whether the server has hung up."""
        return self._listening.done()

    async def send(self, data: bytes) -> None:
        """Raises `ConnectionError` once the server has hung up."""
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0)

    async def until_received(self, *patterns: re.Pattern[bytes]) -> None:
        """Wait until one of the patterns is in what was received, or the server has hung up."""
        while not self.over and not any(pattern.search(self.received) for pattern in patterns):
            self._arrived.clear()
            await self._arrived.wait()

    async def leave(self, *, politely: bool) -> None:
        """End the connection and wait for the server's end of it: with a close frame, or cut."""
        try:
            if politely:
                # An announced end of a message may still be awaited: closing for good ends that too.
                self._writer.write(frame(CLOSE, (1000).to_bytes(2, "big")))
                self._writer.write_eof()
            else:
                self._writer.transport.abort()
        except OSError:
            pass  # hung up meanwhile
        await self._listening

    def drop(self) -> None:
        """Leave nothing behind, whatever has happened."""
        self._listening.cancel()
        self._writer.transport.abort()

    @property
    def close_code(self) -> int:
        """From the close frame at the very end, which the server neither masks nor splits; 0 without one."""
        for size_bytes in range(min(126, len(self.received) - 1)):
            start = len(self.received) - size_bytes - 2
            if self.received[start] == 0x88 and self.received[start + 1] == size_bytes:
                return int.from_bytes(self.received[start + 2 : start + 4], "big")
        return 0

    async def _listen(self) -> None:
        try:
            while data := await self._reader.read(_LARGEST_READ_BYTES):
                self.received += data
                self._arrived.set()
        except ConnectionError:
            pass
        finally:
            self._arrived.set()
