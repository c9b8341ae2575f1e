"""The server below the application: deadlines and limits that no middleware can set. Layer 5.

Stock uvicorn waits for ever for the end of the headers (400 half-sent ones were all alive after 35 s,
measured), and a client that stops reading keeps its connection for minutes although pings fail, because
closing waits for the send buffer. A timer per connection ends the first, TCP_USER_TIMEOUT the second.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from functools import partial
from typing import Any, Final, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from aura_local.settings import LimitSettings
from aura_server.socket_protocol import SteadySocketProtocol

DRAIN_S: Final = 3
"""Time that running requests and sockets are given at the end; at most half of `limits.shutdown_s`."""

_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class DeadlineProtocol(H11Protocol):
    """uvicorn's HTTP protocol with a deadline from the first byte (or the connect) to the last header.

    The only place where we inherit: uvicorn offers no other seam.
    """

    def __init__(
        self, *arguments: Any, header_deadline_s: float, unread_deadline_s: float, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._header_deadline_s = header_deadline_s
        self._unread_deadline_s = unread_deadline_s
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tune_connection(transport.get_extra_info("socket"), self._unread_deadline_s)
        self._watch_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_watching()

    def _watch_headers(self) -> None:
        """Keep the timer running exactly while a request's headers are incomplete.

        Between requests uvicorn's own keep-alive timer takes over; it stops at the next byte.
        """
        if self.conn.their_state is not h11.IDLE:
            self._stop_watching()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(self._header_deadline_s, self._give_up)

    def _stop_watching(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _give_up(self) -> None:
        self._header_timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
            self.transport.close()


def tune_connection(connection: Any, unread_deadline_s: float) -> None:
    """Send small pieces at once, and end the connection when its peer does not take what was sent in time.

    asyncio sets TCP_NODELAY only on sockets made with an explicit protocol number, which those of
    `socket.create_server` are not: every answer then waited 40 ms for a delayed acknowledgement (measured).
    TCP_USER_TIMEOUT exists on Linux only.
    """
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    unread_limit = getattr(socket, "TCP_USER_TIMEOUT", None)
    if unread_limit is not None:
        connection.setsockopt(socket.IPPROTO_TCP, unread_limit, round(unread_deadline_s * 1000))


def server_config(app: ASGIApp, limits: LimitSettings, tls: ssl.SSLContext | None = None) -> uvicorn.Config:
    """How the application is served; the caller brings the listening sockets. `tls` makes it https."""
    protocol = partial(
        DeadlineProtocol,
        header_deadline_s=limits.header_deadline_s,
        unread_deadline_s=limits.tcp_user_timeout_s,
    )
    sockets = partial(SteadySocketProtocol, frames_per_s=limits.messages_per_s)
    return uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", protocol),
        # asyncio's own loop: the egress audit hook sees its sockets, not those of a native loop.
        loop="asyncio",
        ws=cast("type[asyncio.Protocol]", sockets),
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        # The voice socket refuses a message over the limit itself, with an error that says so; only what is
        # far beyond it is cut off down here.
        ws_max_size=2 * limits.socket_frame_bytes,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=limits.header_bytes,
        timeout_graceful_shutdown=min(DRAIN_S, math.ceil(limits.shutdown_s / 2)),
        # One request line per request is logged by ourselves, without query strings.
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        lifespan="on",
    )
