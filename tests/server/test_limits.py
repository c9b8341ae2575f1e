from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import anyio
import pytest
from aura_server.limits import BodyMiddleware, HeadMiddleware, SecurityHeadersMiddleware
from aura_server.problems import ProblemMiddleware, routing_problem
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from tests.server.serving import drip, exchange, serving
from tests.support.virtual_time import VIRTUAL_TIME

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


async def read_body(request: Request) -> Response:
    size_bytes = 0
    async for chunk in request.stream():
        size_bytes += len(chunk)
    return PlainTextResponse(str(size_bytes))


async def ignore_body(_request: Request) -> Response:
    return PlainTextResponse("ignored")


def app(*, grace_s: float = 10.0, bytes_per_s: float = 10_240) -> Starlette:
    body = Middleware(
        BodyMiddleware,
        limit_bytes=1000,
        limits_by_path={"/large": 100_000},
        grace_s=grace_s,
        bytes_per_s=bytes_per_s,
    )
    return Starlette(
        routes=[
            Route("/small", read_body, methods=["POST"]),
            Route("/large", read_body, methods=["POST"]),
            Route("/ignore", ignore_body, methods=["POST"]),
        ],
        middleware=[
            Middleware(SecurityHeadersMiddleware),
            Middleware(ProblemMiddleware),
            Middleware(HeadMiddleware, allowed_hosts=("127.0.0.1", "[::1]"), limit_bytes=16_384),
            body,
        ],
        exception_handlers={HTTPException: routing_problem},
    )


async def post(
    path: str, chunks: Iterable[bytes], headers: dict[str, str] | None = None, *, with_length: bool = True
) -> tuple[int, dict[str, str], bytes]:
    """One request without a server: status, headers and body."""
    pieces = list(chunks)
    sent: list[Message] = []
    fields = {"host": "127.0.0.1:8765"} | (headers or {})
    if with_length:
        fields.setdefault("content-length", str(sum(map(len, pieces))))
    else:
        fields["transfer-encoding"] = "chunked"
    waiting = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    ]

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        "query_string": b"",
        "root_path": "",
    }
    await app()(scope, receive, send)
    answer = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answer, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("with_length", [True, False])
@pytest.mark.parametrize(("path", "limit"), [("/small", 1000), ("/large", 100_000)])
async def test_bodies_up_to_the_limit(path: str, limit: int, with_length: bool) -> None:
    status, _, body = await post(path, [b"x" * (limit - 1), b"x"], with_length=with_length)
    assert (status, body) == (200, str(limit).encode())
    status, _, body = await post(path, [b"x" * limit, b"x"], with_length=with_length)
    assert (status, json.loads(body)["error"]["code"]) == (413, "payload_too_large")


async def test_a_declared_size_is_refused_before_anything_is_read() -> None:
    status, _, _ = await post("/small", [b"x"], {"content-length": "1001"})
    assert status == 413


@pytest.mark.parametrize("declared", ["", "-5", "1e3", "٣"])
async def test_an_odd_content_length_does_not_switch_the_limit_off(declared: str) -> None:
    status, _, _ = await post("/small", [b"x" * 2000], {"content-length": declared})
    assert status == 413


async def test_slow_bodies_are_given_up() -> None:
    head = b"POST /small HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nx"
    async with serving(app(grace_s=0.2)) as port:
        received = await exchange(port, head, seconds=4)
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"request_too_slow" in received


async def test_dripping_slower_than_the_minimum_is_given_up() -> None:
    head = b"POST /small HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"
    async with serving(app(grace_s=0.2)) as port:
        with anyio.fail_after(5):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(head)
                with pytest.raises(anyio.BrokenResourceError):
                    await drip(stream)


async def test_a_fast_enough_body_may_take_longer_than_the_grace() -> None:
    head = b"POST /small HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 40\r\n\r\n"
    async with serving(app(grace_s=0.1, bytes_per_s=20)) as port:
        with anyio.fail_after(5):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(head)
                for _ in range(4):
                    await stream.send(b"x" * 10)
                    await anyio.sleep(0.1)
                assert b"\r\n\r\n40" in await stream.receive()


async def test_a_body_that_nobody_reads_is_dropped_and_the_client_sees_the_answer() -> None:
    body = b"x" * 5_000_000
    head = b"POST /ignore HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000\r\n\r\n"
    async with serving(app()) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        with anyio.fail_after(5):
            await stream.send(head + body)
            assert b"ignored" in await stream.receive()


async def test_a_too_large_upload_is_read_on_so_that_the_client_sees_the_answer() -> None:
    body = b"x" * 5_000_000
    head = b"POST /large HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000\r\n\r\n"
    async with serving(app()) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        with anyio.fail_after(5):
            await stream.send(head + body)
            assert (await stream.receive()).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8765", "[::1]", "[::1]:8765"])
async def test_our_own_names_are_answered(host: str) -> None:
    assert (await post("/small", [b"x"], {"host": host}))[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1:8765@evil.example", "[::2]", "127.0.0.1/x"],
)
async def test_other_names_are_refused(host: str) -> None:
    status, _, body = await post("/small", [b"x"], {"host": host})
    assert (status, json.loads(body)["error"]["code"]) == (400, "host_not_allowed")


async def test_heads_up_to_the_limit() -> None:
    rest = len("/small" + "host" + "127.0.0.1:8765" + "content-length" + "1" + "x")
    status, _, _ = await post("/small", [b"x"], {"x": "a" * (16_384 - rest)})
    assert status == 200
    status, _, body = await post("/small", [b"x"], {"x": "a" * (16_384 - rest + 1)})
    assert (status, json.loads(body)["error"]["code"]) == (431, "headers_too_large")


async def test_a_socket_with_another_host_is_refused_before_it_is_accepted() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/ws", "headers": [(b"host", b"evil.example")]}
    await app()(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize(("path", "status"), [("/small", 200), ("/nowhere", 404)])
async def test_security_headers_are_on_every_answer(path: str, status: int) -> None:
    got, headers, _ = await post(path, [b"x"])
    assert got == status
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "connect-src 'self' ws://127.0.0.1:8765 wss://127.0.0.1:8765;" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["permissions-policy"].startswith("microphone=(self)")
    assert headers["cache-control"] == "no-store"
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
    assert "strict-transport-security" not in headers


async def test_a_strange_host_cannot_write_into_the_policy() -> None:
    _, headers, _ = await post("/small", [b"x"], {"host": "a; script-src *"})
    assert "script-src" not in headers["content-security-policy"]
