"""Throws hostile frames at a voice socket and asks, again and again, whether it still answers. Layer 4."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aura_local.benchmark.hostile_frames import TEXT, frame, hostile_frame
from aura_local.benchmark.hostile_session import resuming_start, session_frame
from aura_local.benchmark.raw_socket import RawSocket

PATIENCE_S: Final = 10.0
"""A server that has not taken, answered or closed something by then hangs."""
FRAMES_PER_CONNECTION: Final = 60
STARTED_SHARE: Final = 0.8
"""Of the connections, those that open a session first: frames then reach more code."""
LEFT_SHARE: Final = 0.3
"""Of the connections, those that are cut without a word."""
INSIDE_EVERY: Final = 3
"""One connection in so many waits for its session before it begins: else most never have one."""
RESUMED_SHARE: Final = 0.5
"""Of those, the ones that come back after a cut."""
CHECK_EVERY: Final = 25
"""Connections between two honest ones."""

_REFUSED: Final = re.compile(rb'"type": ?"error"')
_READY: Final = re.compile(rb'"type": ?"ready".*?"resume": ?"(?P<token>[A-Za-z0-9_-]{43})"')


@dataclass(slots=True)
class FuzzReport:
    """What came of it."""

    seed: int
    frames: int = 0
    connections: int = 0
    sessions_reached: int = 0
    """Connections that were greeted with `ready`."""
    sessions_resumed: int = 0
    """Connections that were let back into a session which they had left."""
    frames_inside: int = 0
    """Of the frames, those that were made for an open session and sent into one."""
    closed_with: Counter[int] = field(default_factory=Counter)
    """Close codes of the server; 0 where it just hung up."""


async def fuzz_frames(url: str, key: str, *, frames: int, seed: int) -> FuzzReport:
    """Send at least `frames` hostile frames to the socket at `url` (ws://), over many connections.

    One connection in three opens a session first. The same seed sends the same frames, but for the tokens of
    sessions. Raises `AssertionError`, which names the seed and the connection,
    when the server does not take, answer or close something in time, or greets an honest client no more.
    """
    report = FuzzReport(seed)
    while report.frames < frames:
        name = f"seed {seed}, connection {report.connections}"
        chance = random.Random(f"{seed}/{report.connections}")  # noqa: S311 - to be repeated, not to be secret
        report.connections += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                throw = _inside if report.connections % INSIDE_EVERY == 0 else _at_the_door
                await throw(url, key, chance, frames - report.frames, report)
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


async def _at_the_door(url: str, key: str, chance: random.Random, left: int, report: FuzzReport) -> None:
    """A connection that is hostile from its first or second frame on; few of them get as far as a session."""
    socket = await RawSocket.open(url)
    try:
        if chance.random() < STARTED_SHARE:
            await socket.send(_start(key))
        await _throw(socket, chance, left, report, hostile_frame)
        await socket.leave(politely=chance.random() >= LEFT_SHARE)
    finally:
        socket.drop()
    report.sessions_reached += _READY.search(socket.received) is not None
    report.closed_with[socket.close_code] += 1


async def _inside(url: str, key: str, chance: random.Random, left: int, report: FuzzReport) -> None:
    """A connection that is honest until it has a session; some come back to it after a cut."""
    opening = _start(key)
    for attempt in range(1 + (chance.random() < RESUMED_SHARE)):
        socket = await RawSocket.open(url)
        try:
            await socket.send(opening)
            await socket.until_received(_READY, _REFUSED)
            ready = _READY.search(socket.received)
            if ready is not None:
                report.sessions_reached += attempt == 0
                report.sessions_resumed += attempt
                opening = resuming_start(chance, key, ready["token"].decode())
                sent = report.frames
                await _throw(socket, chance, left, report, session_frame)
                report.frames_inside += report.frames - sent
            await socket.leave(politely=attempt > 0 and chance.random() >= LEFT_SHARE)
        finally:
            socket.drop()
        report.closed_with[socket.close_code] += 1
        if ready is None:
            return


async def _throw(
    socket: RawSocket,
    chance: random.Random,
    left: int,
    report: FuzzReport,
    make: Callable[[random.Random], bytes],
) -> None:
    """Send frames until there are enough of them, or the server hangs up."""
    try:
        for _ in range(min(left, chance.randrange(1, FRAMES_PER_CONNECTION))):
            if socket.over:
                return
            report.frames += 1
            data = make(chance)
            # Sometimes only the first part of a frame: the next one is then read as its rest.
            whole = make is session_frame or chance.random() < 0.98
            await socket.send(data if whole else data[: chance.randrange(1, len(data) + 1)])
    except OSError:
        pass  # hung up meanwhile


def _start(key: str) -> bytes:
    return frame(TEXT, json.dumps({"type": "start", "key": key}).encode())
