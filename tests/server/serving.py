"""A real server on a free loopback port, inside the test's own event loop."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from aura_server.http_protocol import server_config
from starlette.types import ASGIApp

from aura_local.settings import LimitSettings


@asynccontextmanager
async def serving(app: ASGIApp, limits: LimitSettings | None = None) -> AsyncIterator[int]:
    """Serve `app` as the product does; yields the port."""
    config = server_config(app, limits or LimitSettings())
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
        async with anyio.create_task_group() as group:
            # `_serve`, because `serve` takes over the signals of the process.
            group.start_soon(server._serve, [listener])
            with anyio.fail_after(10):
                while not server.started:
                    await anyio.lowlevel.checkpoint()
            try:
                yield port
            finally:
                server.should_exit = True


async def exchange(port: int, request: bytes, *, seconds: float = 5.0) -> bytes:
    """Send raw bytes and read until the server closes the connection; fails after `seconds`."""
    with anyio.fail_after(seconds):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(request)
            return await read_all(stream)


async def drip(stream: anyio.abc.ByteSendStream) -> None:
    """Send a byte now and then until the server has had enough (`anyio.BrokenResourceError`)."""
    while True:
        await stream.send(b"x")
        await anyio.sleep(0.02)


async def read_all(stream: anyio.abc.ByteReceiveStream) -> bytes:
    received = bytearray()
    try:
        async for chunk in stream:
            received += chunk
    except anyio.BrokenResourceError:
        pass  # a reset after the answer
    return bytes(received)
