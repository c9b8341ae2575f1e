"""The ring of keys that sign access tokens; in the platform's file, which is encrypted. Layer 2."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import sqlite_utils

from aura_local.accounts.moments import Now, stamp, unix_s, utc_now
from aura_local.accounts.random_secrets import new_id
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.database import Database

SECRET_BYTES: Final = 32

CLOCK_LEEWAY_S: Final = 5
"""How far the clocks of two of our processes may be apart."""

RING_AGE_S: Final = 1.0
"""How old the ring in memory may be: another process that rotates the keys is noticed within this time."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of the ring."""

    id: str
    secret: bytes = field(repr=False)
    retired_at: str | None
    """UTC, ISO 8601; after it the key signs nothing, but what it signed before is still good."""

    @property
    def signs_until_s(self) -> float | None:
        """Unix time after which no token can have been signed; None while it signs."""
        return None if self.retired_at is None else unix_s(self.retired_at) + CLOCK_LEEWAY_S


@dataclass(frozen=True, slots=True)
class TokenLifetimes:
    """How long what is signed with these keys is good, from when it was issued."""

    access_s: int = 600
    visitor_s: int = 600

    @property
    def longest_s(self) -> int:
        return max(self.access_s, self.visitor_s)


class SigningKeys:
    """Signs with the newest key, verifies with all whose tokens can still be good."""

    def __init__(
        self,
        database: Database,
        *,
        lifetimes: TokenLifetimes | None = None,
        now: Now = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lifetimes = lifetimes or TokenLifetimes()
        self._database = database
        self._now = now
        self._clock = clock
        self._ring: Mapping[str, SigningKey] = {}
        self._read_at_s: float | None = None

    async def current(self) -> SigningKey:
        """The key to sign with; made at the first call of all."""
        for key in (await self._fresh_ring()).values():
            if key.retired_at is None:
                return key
        created_at = stamp(self._now())

        def create(database: sqlite_utils.Database) -> None:
            if all(key.retired_at is not None for key in _ring(database).values()):
                _add(database, created_at)

        await self._database.write(create)
        self._read_at_s = None
        return await self.current()

    async def find(self, key_id: object) -> SigningKey | None:
        """The key of this id, if tokens that it signed can still be good."""
        if not isinstance(key_id, str):
            return None
        key = (await self._fresh_ring()).get(key_id)
        if key is None or self._is_over(key):
            return None
        return key

    async def rotate(self, *, also: AlsoWrite | None = None) -> str:
        """Sign with a new key from now on; returns its id.

        Nobody is signed out: the key before verifies until the last token that it signed has expired.
        Keys for which that time is over are deleted.
        """
        retired_at = stamp(self._now())

        def rotate(database: sqlite_utils.Database) -> str:
            for key in _ring(database).values():
                if self._is_over(key):
                    database.conn.execute("DELETE FROM signing_keys WHERE id = ?", (key.id,))
            database.conn.execute(
                "UPDATE signing_keys SET retired_at = ? WHERE retired_at IS NULL", (retired_at,)
            )
            key_id = _add(database, retired_at)
            if also is not None:
                also(database, key_id)
            return key_id

        key_id = await self._database.write(rotate)
        self._read_at_s = None
        return key_id

    def _is_over(self, key: SigningKey) -> bool:
        until_s = key.signs_until_s
        lifetime = timedelta(seconds=self.lifetimes.longest_s + CLOCK_LEEWAY_S)
        return until_s is not None and (self._now() - lifetime).timestamp() > until_s

    async def _fresh_ring(self) -> Mapping[str, SigningKey]:
        now_s = self._clock()
        if self._read_at_s is None or now_s - self._read_at_s >= RING_AGE_S:
            self._ring = await self._database.read(_ring)
            self._read_at_s = now_s
        return self._ring


def _ring(database: sqlite_utils.Database) -> dict[str, SigningKey]:
    rows = database.query("SELECT id, secret, retired_at FROM signing_keys ORDER BY created_at DESC, id")
    return {row["id"]: SigningKey(**row) for row in rows}


def _add(database: sqlite_utils.Database, created_at: str) -> str:
    key_id = new_id()
    database.conn.execute(
        "INSERT INTO signing_keys (id, secret, created_at) VALUES (?, ?, ?)",
        (key_id, secrets.token_bytes(SECRET_BYTES), created_at),
    )
    return key_id
