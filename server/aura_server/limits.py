"""What every request must keep to, and what every answer carries: pure ASGI middleware. Layer 5.

The server below has no limit on the size or the slowness of a body (300 MiB were accepted, measured), and
does not look at the Host header, which a web page of a stranger controls through DNS rebinding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aura_local.errors import InvalidRequest, PayloadTooLarge

LINGER_S: Final = 2.0
"""How long a body that is not wanted any more is still read (and dropped), so that a client in the middle
of sending sees the answer rather than a reset connection."""

_MIB: Final = 1024 * 1024
_PLACE: Final = re.compile(r"\{\w+\}")
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class HeadMiddleware:
    """Refuses requests and sockets with a Host header that is not ours (stops DNS rebinding) or large heads.

    The server below bounds only heads that are still incomplete after a read.
    """

    app: ASGIApp
    allowed_hosts: tuple[str, ...]
    """Exact names without port; `*` allows any."""
    limit_bytes: int
    """Largest path, query string and headers together."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        small = _head_bytes(scope) <= self.limit_bytes
        if small and self._allowed(Headers(scope=scope).getlist("host")):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4400, "reason": "host not allowed"})
        elif not small:
            raise HTTPException(431, f"The request's headers are larger than {self.limit_bytes} bytes.")
        else:
            raise InvalidRequest(
                "The server is not known by the name this request uses; add it to server.allowed_hosts.",
                code="host_not_allowed",
            )

    def _allowed(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        match = _HOST.fullmatch(hosts[0])
        name = match["name"].lower() if match else None
        return name is not None and ("*" in self.allowed_hosts or name in self.allowed_hosts)


def _head_bytes(scope: Scope) -> int:
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return headers + len(scope["path"]) + len(scope.get("query_string", b""))


@dataclass(frozen=True, slots=True)
class BodyMiddleware:
    """Bounds the size of request bodies and how slowly they may arrive.

    Past a bound the route's next `receive` raises `PayloadTooLarge`, or an `HTTPException` 408. A body that
    the route leaves unread is read on for at most `LINGER_S` and then the connection is closed.
    """

    app: ASGIApp
    limit_bytes: int
    limits_by_path: Mapping[str, int]
    """Paths whose bodies may be larger, e.g. uploads; `{...}` stands for anything."""
    grace_s: float
    """How long a body may take at any pace."""
    bytes_per_s: float
    """Slower bodies are given up, once the grace is over."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit_bytes = self._limit_bytes(scope["path"])
        body = _Body(receive, limit_bytes, self.grace_s, self.bytes_per_s, _expects_body(scope))

        async def closing_send(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.complete:
                with anyio.move_on_after(0 if body.too_slow else LINGER_S):
                    await body.drop_rest()
                if not body.complete:
                    MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self.app(scope, body.receive, closing_send)

    def _limit_bytes(self, path: str) -> int:
        for template, limit_bytes in self.limits_by_path.items():
            if fnmatchcase(path, _PLACE.sub("*", template)):
                return limit_bytes
        return self.limit_bytes


@dataclass(slots=True)
class _Body:
    """One request body on its way in."""

    source: Receive
    limit_bytes: int
    grace_s: float
    bytes_per_s: float
    declared_bytes: int | None
    """From Content-Length; -1 for chunked bodies, None where there is no body."""
    complete: bool = False
    too_slow: bool = False
    received_bytes: int = 0
    waited_s: float = 0.0
    """Time spent waiting for the client alone; a slow server is not its fault."""

    def __post_init__(self) -> None:
        self.complete = self.declared_bytes is None

    async def receive(self) -> Message:
        if self.complete:
            return await self.source()  # waits for the client to leave
        if (self.declared_bytes or 0) > self.limit_bytes:
            raise self._too_large()
        began_s = anyio.current_time()
        patience_s = self.grace_s + self.received_bytes / self.bytes_per_s - self.waited_s
        try:
            with anyio.fail_after(max(patience_s, 0)):
                message = await self.source()
        except TimeoutError:
            self.too_slow = True
            raise HTTPException(408, "The request body arrives too slowly.") from None
        self.waited_s += anyio.current_time() - began_s
        self._count(message)
        if self.received_bytes > self.limit_bytes:
            raise self._too_large()
        return message

    async def drop_rest(self) -> None:
        while not self.complete:
            self._count(await self.source())

    def _count(self, message: Message) -> None:
        self.received_bytes += len(message.get("body", b""))
        self.complete = message["type"] != "http.request" or not message.get("more_body", False)

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"The request body is larger than the {_shown(self.limit_bytes)} allowed here."
        )


def _shown(size_bytes: int) -> str:
    """In whole MiB from one on: the room for a form's headers around an upload says nothing to anyone."""
    return f"{size_bytes // _MIB} MiB" if size_bytes >= _MIB else f"{size_bytes} bytes"


def _expects_body(scope: Scope) -> int | None:
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        return -1
    declared = headers.get("content-length", "0")
    return int(declared) or None if declared.isdigit() else -1


@dataclass(frozen=True, slots=True)
class SecurityHeadersMiddleware:
    """Headers that keep browsers from doing more with our pages than we do ourselves.

    Routes may set their own `cache-control`; everything else is the same everywhere. Sockets are allowed to
    our own host only; it is named because not every browser lets `'self'` cover ws: and wss:. Pages may not
    turn text into markup or code at all: no trusted type can be made.
    """

    app: ASGIApp
    strict_transport: bool = False
    """Tell browsers to use https alone from now on; only with a certificate that they trust by themselves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = _POLICY.format(sockets=sockets)
                for name, value in _FIXED_HEADERS.items():
                    headers[name] = value
                if self.strict_transport:
                    headers["strict-transport-security"] = _HTTPS_ALONE
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, guarded_send)


_POLICY: Final = (
    "default-src 'self'; connect-src 'self'{sockets}; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HTTPS_ALONE: Final = "max-age=31536000"
_FIXED_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
