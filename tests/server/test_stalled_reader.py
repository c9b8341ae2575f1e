"""Clients that take no more of what they are sent, on real sockets: they are gone soon and cost little."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from aura_local.benchmark.hostile_frames import PING, TEXT, frame
from aura_local.settings import LimitSettings
from tests.server.serving import serving
from tests.server.voice_server import VoiceServer, voice_server

pytestmark = pytest.mark.anyio

PATIENCE_S = 5.0


@asynccontextmanager
async def small_reader(port: int) -> AsyncIterator[socket.socket]:
    """A connection that holds as little as the system lets it, and that nothing reads in the background."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
        yield raw


async def test_a_stalled_reader_is_cut_off_and_its_answer_ends() -> None:
    ended = anyio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(65_536)
                await anyio.lowlevel.checkpoint()
        finally:
            ended.set()

    async def answer(_request: Request) -> StreamingResponse:
        return StreamingResponse(endless())

    app = Starlette(routes=[Route("/", answer)])
    async with serving(app, LimitSettings(tcp_user_timeout_s=0.5)) as port, small_reader(port) as stream:
        await send(stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with anyio.fail_after(PATIENCE_S):
            await ended.wait()


async def send(stream: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(stream, data)


async def receive(stream: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(stream, 65_536)


async def upgraded(server: VoiceServer, stream: socket.socket) -> None:
    lines = (
        "GET /ws/voice/continuous HTTP/1.1",
        f"Host: {server.address}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )
    await send(stream, "\r\n".join((*lines, "", "")).encode())
    received = b""
    while b"\r\n\r\n" not in received:
        received += await receive(stream)
    assert received.startswith(b"HTTP/1.1 101 ")


async def send_for_ever(stream: socket.socket, data: bytes) -> None:
    while True:
        await send(stream, data)


@pytest.mark.parametrize("kind", ["ping", "empty fragment"])
@pytest.mark.parametrize("reads", [True, False])
async def test_frames_that_are_no_messages_have_a_rate_as_well(kind: str, reads: bool) -> None:
    """Without one, unread pongs and endless messages made the server grow for as long as a client liked."""
    many = frame(PING, bytes(125)) * 400 if kind == "ping" else frame(0, b"", fin=False) * 400
    async with voice_server() as server, small_reader(int(server.address.rpartition(":")[2])) as stream:
        await upgraded(server, stream)
        if kind == "empty fragment":
            await send(stream, frame(TEXT, b"{", fin=False))

        async def read() -> None:
            with suppress(ConnectionError):
                while await receive(stream):
                    pass

        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                if reads:
                    tasks.start_soon(read)
                with pytest.raises(ConnectionError):
                    await send_for_ever(stream, many)
        await server.until_empty()


async def test_pings_at_an_honest_pace_are_answered() -> None:
    async with voice_server() as server, server.client() as client:
        await client.until("ready")
        for number in range(400):
            await (await client.socket.ping(str(number)))
        await client.send({"type": "text", "text": "When?"})
        await client.until("reply_finished")


async def test_a_message_in_pieces_is_one_message() -> None:
    async with voice_server() as server, server.client() as client:
        await client.until("ready")
        await client.socket.send(['{"type": "te', 'xt", "te', 'xt": "When?"}'])
        await client.until("reply_finished")
        assert server.engine.conversations[0].asked == ["When?"]
