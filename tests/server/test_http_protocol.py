"""Deadlines below the application, on real loopback sockets."""

from __future__ import annotations

import socket

import anyio
import pytest
from aura_server.http_protocol import server_config, tune_connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aura_local.settings import LimitSettings
from tests.server.serving import drip, exchange, serving
from tests.support.virtual_time import VIRTUAL_TIME

SHORT = LimitSettings(header_deadline_s=0.2)
in_virtual_time = pytest.mark.parametrize("anyio_backend", [pytest.param(VIRTUAL_TIME, id="virtual time")])


async def hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def app() -> Starlette:
    return Starlette(routes=[Route("/", hello)])


@pytest.mark.anyio
@in_virtual_time
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_unfinished_headers_end_at_the_deadline(sent: bytes) -> None:
    async with serving(app(), SHORT) as port:
        assert (await exchange(port, sent, seconds=2)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.anyio
@in_virtual_time
async def test_dripping_bytes_do_not_move_the_deadline() -> None:
    async with serving(app(), SHORT) as port:
        with anyio.fail_after(2):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                with pytest.raises(anyio.BrokenResourceError):
                    await drip(stream)


@pytest.mark.anyio
@in_virtual_time
async def test_the_deadline_also_holds_for_a_second_request() -> None:
    async with serving(app(), SHORT) as port:
        whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            with anyio.fail_after(2):
                await stream.send(whole)
                first = await stream.receive()
                await stream.send(b"GET / HT")
                assert b"hello" in first
                assert (await stream.receive()).startswith(b"HTTP/1.1 408 ")


@pytest.mark.anyio
@in_virtual_time
async def test_a_slow_route_is_not_cut_by_the_header_deadline() -> None:
    async def slow(_request: Request) -> PlainTextResponse:
        await anyio.sleep(0.4)
        return PlainTextResponse("late")

    async with serving(Starlette(routes=[Route("/", slow)]), SHORT) as port:
        request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert b"late" in await exchange(port, request)


@pytest.mark.anyio
async def test_too_large_headers_are_refused() -> None:
    async with serving(app()) as port:
        request = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 400_000
        assert (await exchange(port, request)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.anyio
async def test_answers_do_not_name_the_server() -> None:
    async with serving(app()) as port:
        received = await exchange(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"uvicorn" not in received.lower()


def test_connections_send_at_once_and_limit_unread_data() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
            tune_connection(accepted, 8.0)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 8_000


@pytest.mark.anyio
async def test_every_accepted_connection_is_tuned() -> None:
    """Answers come at once; with delayed acknowledgements twenty of them would take 0.8 s."""
    async with serving(app()) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        began_s = anyio.current_time()
        for _ in range(20):
            await stream.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while b"hello" not in received:
                received += await stream.receive()
        assert anyio.current_time() - began_s < 0.5


def test_local_sockets_need_no_tuning() -> None:
    one, two = socket.socketpair()
    with one, two:
        tune_connection(one, 8.0)


@pytest.mark.anyio
async def test_the_socket_limits_reach_the_server() -> None:
    config = server_config(app(), LimitSettings(socket_frame_bytes=65_536))
    assert (config.ws_max_size, config.ws_per_message_deflate) == (131_072, False)
    assert config.timeout_graceful_shutdown == 3
    assert server_config(app(), LimitSettings(shutdown_s=2)).timeout_graceful_shutdown == 1
