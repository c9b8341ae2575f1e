"""What pages of other origins may do: read the API where the settings name them, and nothing else. Layer 5.

Our authority is never a cookie, so a foreign page can do nothing in a visitor's name that it could not do
without the visitor; still no page reads our answers or opens a socket that the operator has not named. The
check of sockets is done here for every route at once: a new socket cannot forget it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aura_local.errors import PermissionDenied
from aura_server.socket_refusal import refuse_socket

API_PREFIX: Final = "/api/"
"""Only answers below it are ever shared with pages of other origins."""

ALLOWED_METHODS: Final = "GET, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS: Final = "authorization, content-type"
EXPOSED_HEADERS: Final = "content-disposition, retry-after"
PREFLIGHT_KEPT_S: Final = 600


@dataclass(frozen=True, slots=True)
class CrossOriginMiddleware:
    """CORS by exact origin, without credentials; and the Origin check of every socket.

    An origin that is not named gets the plain answer without any CORS header, which its browser then keeps
    from the page; its sockets are refused with `PermissionDenied` in the handshake.
    """

    app: ASGIApp
    allowed_origins: tuple[str, ...]
    """Exact matches, e.g. `https://intranet.example`; empty allows none but our own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._guard_socket(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(API_PREFIX):
            await self._share(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _guard_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        origins = Headers(scope=scope).getlist("origin")
        # Browsers always send one Origin; programs that are none need not.
        if len(origins) > 1 or (origins and not self._may_open_socket(origins[0], scope)):
            refusal = PermissionDenied(
                "Pages of this origin may not open sockets here; see server.allowed_origins.",
                code="origin_not_allowed",
            )
            await refuse_socket(refusal, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _may_open_socket(self, origin: str, scope: Scope) -> bool:
        return origin in self.allowed_origins or _is_own(origin, Headers(scope=scope).get("host", ""))

    async def _share(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        listed = origin in self.allowed_origins

        async def sharing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                # Caches must not hand one origin's answer to another, the one without CORS included.
                answer.add_vary_header("Origin")
                if listed:
                    answer["access-control-allow-origin"] = origin
                    answer["access-control-expose-headers"] = EXPOSED_HEADERS
            await send(message)

        asked_first = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        if listed and asked_first:
            await _preflight_answer()(scope, receive, sharing_send)
        else:
            await self.app(scope, receive, sharing_send)


def _preflight_answer() -> Response:
    return Response(
        status_code=204,
        headers={
            "access-control-allow-methods": ALLOWED_METHODS,
            "access-control-allow-headers": ALLOWED_HEADERS,
            "access-control-max-age": str(PREFLIGHT_KEPT_S),
        },
    )


def _is_own(origin: str, host: str) -> bool:
    """Whether the page came from this server. The Host header has been checked against our names."""
    try:
        parts = urlsplit(origin)
    except ValueError:  # for example an unfinished IPv6 address
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower() != ""
