"""Throws hostile frames at a voice socket and asks, again and again, whether it still answers. Layer 4."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from aura_local.benchmark.hostile_frames import TEXT, frame, hostile_frame

PATIENCE_S: Final = 10.0
"""A server that has not taken, answered or closed something by then hangs."""
FRAMES_PER_CONNECTION: Final = 60
STARTED_SHARE: Final = 0.8
"""Of the connections, those that open a session first: frames then reach more code."""
LEFT_SHARE: Final = 0.3
"""Of the connections, those that are cut without a word."""
CHECK_EVERY: Final = 25
"""Connections between two honest ones."""


@dataclass(slots=True)
class FuzzReport:
    """What came of it."""

    seed: int
    frames: int = 0
    connections: int = 0
    sessions: int = 0
    """Connections that were greeted with `ready`."""
    closed_with: Counter[int] = field(default_factory=Counter)
    """Close codes of the server; 0 where it just hung up."""


async def fuzz_frames(url: str, key: str, *, frames: int, seed: int) -> FuzzReport:
    """Send at least `frames` hostile frames to the socket at `url` (ws://), over many connections.

    The same seed sends the same frames. Raises `AssertionError`, which names the seed and the connection,
    when the server does not take, answer or close something in time, or greets an honest client no more.
    """
    report = FuzzReport(seed)
    while report.frames < frames:
        name = f"seed {seed}, connection {report.connections}"
        chance = random.Random(f"{seed}/{report.connections}")  # noqa: S311 - to be repeated, not to be secret
        report.connections += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                await _one_connection(url, key, chance, frames - report.frames, report)
        except TimeoutError as error:
            raise AssertionError(f"the server hangs: {name}") from error
        if report.connections % CHECK_EVERY == 0 and not await greets(url, key):
            raise AssertionError(f"the server answers no more: {name}")
    if not await greets(url, key):
        raise AssertionError(f"the server answers no more: seed {seed}, at the end")
    return report


async def greets(url: str, key: str) -> bool:
    """Whether an honest client gets `ready`; one that must wait for a place tries again."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                greeting = await _greeting(url, key)
                if greeting.get("code") != "too_many_sessions":
                    return greeting.get("type") == "ready"
                await asyncio.sleep(0.05)
    except (TimeoutError, OSError):
        return False


async def _greeting(url: str, key: str) -> dict[str, Any]:
    from websockets.asyncio.client import connect

    async with connect(url, proxy=None, compression=None) as socket:
        await socket.send(json.dumps({"type": "start", "key": key}))
        greeting: dict[str, Any] = json.loads(await socket.recv())
        return greeting


async def _one_connection(url: str, key: str, chance: random.Random, left: int, report: FuzzReport) -> None:
    reader, writer = await _upgraded(url)
    received = bytearray()
    listening = asyncio.create_task(_listen(reader, received))
    try:
        if chance.random() < STARTED_SHARE:
            writer.write(frame(TEXT, json.dumps({"type": "start", "key": key}).encode()))
        for _ in range(min(left, chance.randrange(1, FRAMES_PER_CONNECTION))):
            if listening.done():
                break
            report.frames += 1
            writer.write(_dribbled(hostile_frame(chance), chance))
            await writer.drain()
            await asyncio.sleep(0)
        if chance.random() < LEFT_SHARE:
            writer.transport.abort()
        else:
            # An announced end of a message may still be awaited: closing for good ends that too.
            writer.write(frame(8, (1000).to_bytes(2, "big")))
            writer.write_eof()
        await listening
    except (ConnectionError, OSError):
        await listening
    finally:
        listening.cancel()
        writer.transport.abort()
    report.sessions += b'"type":"ready"' in received or b'"type": "ready"' in received
    report.closed_with[_close_code(received)] += 1


def _dribbled(data: bytes, chance: random.Random) -> bytes:
    """Sometimes only the first part of a frame: the next one is then read as its rest."""
    return data if chance.random() < 0.98 else data[: chance.randrange(1, len(data) + 1)]


async def _listen(reader: asyncio.StreamReader, received: bytearray) -> None:
    try:
        while data := await reader.read(65_536):
            received += data
    except ConnectionError:
        pass


async def _upgraded(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose handshake is done, with nothing in front of the bare stream."""
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
    return reader, writer


def _close_code(received: bytearray) -> int:
    """From the close frame at the very end, which the server neither masks nor splits."""
    for size_bytes in range(min(126, len(received) - 1)):
        start = len(received) - size_bytes - 2
        if received[start] == 0x88 and received[start + 1] == size_bytes:
            return int.from_bytes(received[start + 2 : start + 4], "big")
    return 0
