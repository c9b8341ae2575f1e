"""Tickets for sockets: short-lived, good once, in memory. Layer 2.

A browser cannot send a header when it opens a socket, and what stands in an address is kept in the logs of
every proxy on the way: so it fetches a ticket with its credential and sends that as the first message.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

from aura_local.accounts.principal import Principal
from aura_local.accounts.random_secrets import TAIL_PATTERN, digest_of, new_secret
from aura_local.accounts.refusal import refusal

TICKET_LIFETIME_S: Final = 30.0

TICKETS: Final = 10_000
"""At most so many wait to be used; beyond it the oldest are void."""

TICKET_SHAPE: Final = re.compile(rf"ticket_{TAIL_PATTERN}")


class Tickets:
    """The tickets of one process."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        lifetime_s: float = TICKET_LIFETIME_S,
        most: int = TICKETS,
    ) -> None:
        self.lifetime_s = lifetime_s
        self._clock = clock
        self._most = most
        self._waiting: dict[bytes, tuple[Principal, float]] = {}
        """By digest, in the order of expiry."""

    def issue(self, principal: Principal) -> str:
        """A ticket for one socket of this principal."""
        self._forget_expired(room_for=1)
        ticket = f"ticket_{new_secret()}"
        self._waiting[digest_of(ticket)] = (principal, self._clock() + self.lifetime_s)
        return ticket

    def redeem(self, ticket: str) -> Principal:
        """Whom it was issued to. Raises `AuthenticationFailed` the second time, and after `lifetime_s`."""
        principal, expires_at_s = self._waiting.pop(digest_of(ticket), (None, 0.0))
        if principal is None or self._clock() >= expires_at_s:
            raise refusal()
        return principal

    def _forget_expired(self, *, room_for: int) -> None:
        now_s = self._clock()
        for digest, (_, expires_at_s) in list(self._waiting.items()):
            if now_s < expires_at_s and len(self._waiting) + room_for <= self._most:
                break
            del self._waiting[digest]
