"""Passwords: argon2id in a worker thread, one at a time. Layer 2.

RFC 9106's second recommended option (64 MiB, three passes) with one lane instead of four: memory and
passes are what an attacker pays for, lanes only shorten our own waiting by taking more cores at once, and a
small server has two, one of which must stay free for the voices in progress.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from aura_local.errors import Busy, InvalidRequest

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST_CHARACTERS: Final = 12
LONGEST_CHARACTERS: Final = 128

MEMORY_KIB: Final = 65_536
PASSES: Final = 3
LANES: Final = 1

WAITING_LIMIT: Final = 16
"""Password checks that may wait for the one in progress: about three seconds' worth."""


def checked_password(written: str) -> str:
    """A new password in composed form (NFC), so that every keyboard writes it alike.

    Raises `InvalidRequest` unless it has 12 to 128 characters.
    """
    password = unicodedata.normalize("NFC", written)
    if not SHORTEST_CHARACTERS <= len(password) <= LONGEST_CHARACTERS or not _encodable(password):
        raise InvalidRequest(
            f"A password has {SHORTEST_CHARACTERS} to {LONGEST_CHARACTERS} characters; several words do well."
        )
    return password


class Passwords:
    """Hashes and compares. Both raise `Busy` when `WAITING_LIMIT` others are waiting already.

    Cancelled while waiting, nothing happens; after that the thread ends its work first.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Without a `hasher`, the parameters above."""
        self._hasher = hasher
        # One at a time: 64 MiB and one core are all that people signing in can take from the machine.
        self._limiter = anyio.CapacityLimiter(1)
        # Counted here, because the limiter sees a caller only after the loop has gone round once.
        self._in_hand = 0

    async def hash(self, password: str) -> str:
        """What is stored, parameters and salt included."""
        composed = unicodedata.normalize("NFC", password)
        with self._place():
            return await anyio.to_thread.run_sync(self._hash, composed, limiter=self._limiter)

    async def matches(self, stored: str | None, presented: str) -> bool:
        """Whether `presented` is the password behind `stored`.

        None stands for an account that has none or does not exist: False, after the same work.
        """
        with self._place():
            return await anyio.to_thread.run_sync(self._matches, stored, presented, limiter=self._limiter)

    def outdated(self, stored: str) -> bool:
        """Whether it was made with other parameters, and is to be made anew at the next chance."""
        return self._argon2().check_needs_rehash(stored)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._in_hand > WAITING_LIMIT:
            raise Busy("Too many people are signing in at this moment; try again in a few seconds.")
        self._in_hand += 1
        try:
            yield
        finally:
            self._in_hand -= 1

    def _hash(self, password: str) -> str:
        return self._argon2().hash(password)

    def _matches(self, stored: str | None, presented: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        # Some keyboards write one letter as up to four characters; composing is for what is not longer.
        composed = unicodedata.normalize("NFC", presented[: 4 * LONGEST_CHARACTERS + 1])
        comparable = len(composed) <= LONGEST_CHARACTERS and _encodable(composed)
        if stored is None or not comparable:
            self._argon2().hash("the same work for nothing")
            return False
        try:
            return self._argon2().verify(stored, composed)
        except (VerificationError, InvalidHashError):
            return False

    def _argon2(self) -> PasswordHasher:
        if self._hasher is None:
            from argon2 import PasswordHasher

            self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        return self._hasher


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
