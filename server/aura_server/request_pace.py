"""How often one address may ask without a credential, or with one that is refused. Layer 5.

Looking a credential up costs work, and trying many must not be cheaper for a stranger than for us. What an
address has used up comes back with time, so that a mistyped key locks nobody out for long.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aura_local.errors import TooManyRequests
from aura_server.client_address import address_of
from aura_server.pace import Pace
from aura_server.problems import place_of
from aura_server.socket_refusal import refuse_socket

KEPT_ADDRESSES: Final = 10_000
"""Addresses remembered; about 3 MB. Whoever has more of them than that has as many budgets anyway."""

MINUTE_S: Final = 60.0

_UNAUTHORIZED: Final = 401
_CLOSED_UNAUTHORIZED: Final = 4401


class AddressPaces:
    """A minute's budget for every address, of a bounded number of addresses."""

    def __init__(
        self,
        per_minute: int,
        *,
        kept_addresses: int = KEPT_ADDRESSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_minute = per_minute
        self._kept_addresses = kept_addresses
        self._clock = clock
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    def __len__(self) -> int:
        return len(self._paces)

    def allows(self, address: str) -> bool:
        """Whether something is left for this address; an unknown one is not remembered by asking."""
        pace = self._paces.get(address)
        return pace is None or pace.allows(1)

    def spend(self, address: str) -> bool:
        """Use up one; False when nothing was left. A new address displaces the oldest."""
        pace = self._paces.get(address)
        if pace is None:
            pace = self._paces[address] = Pace(
                per_second=self._per_minute / MINUTE_S,
                initial_s=MINUTE_S,
                most_s=MINUTE_S,
                clock=self._clock,
            )
            if len(self._paces) > self._kept_addresses:
                self._paces.popitem(last=False)
        self._paces.move_to_end(address)
        return pace.spend(1)


class RequestPaceMiddleware:
    """Refuses requests and sockets of an address that has used up its budget, before any credential is read.

    Every refused credential counts (status 401, close code 4401), and every request without one. Attempts
    that run at the same time may go beyond the budget by their number. Raises `TooManyRequests`; sockets
    are refused with the same in their handshake.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        anonymous_per_minute: int,
        failures_per_minute: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._anonymous = AddressPaces(anonymous_per_minute, clock=clock)
        self._failures = AddressPaces(failures_per_minute, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        address = address_of(scope)
        refusal = self._refusal(scope, address)
        if refusal is not None and scope["type"] == "websocket":
            await refuse_socket(refusal, scope, receive, send)
            return
        if refusal is not None:
            raise refusal

        async def watching_send(message: Message) -> None:
            if _is_refused_credential(message):
                self._failures.spend(address)
            await send(message)

        try:
            await self._app(scope, receive, watching_send)
        except Exception as error:
            # Answered further out, where nothing tells us about it.
            if place_of(error).http_status == _UNAUTHORIZED:
                self._failures.spend(address)
            raise

    def _refusal(self, scope: Scope, address: str) -> TooManyRequests | None:
        if not self._failures.allows(address):
            return TooManyRequests("Too many refused credentials came from this address; try again later.")
        # A socket brings its credential in its first message, which is counted when it is refused.
        anonymous = scope["type"] == "http" and "authorization" not in Headers(scope=scope)
        if anonymous and not self._anonymous.spend(address):
            return TooManyRequests("Too many requests came from this address; try again later.")
        return None


def _is_refused_credential(message: Message) -> bool:
    if message["type"] == "websocket.close":
        return bool(message.get("code") == _CLOSED_UNAUTHORIZED)
    started = message["type"] in ("http.response.start", "websocket.http.response.start")
    return started and message["status"] == _UNAUTHORIZED
