"""What a tenant keeps for its adapters alone: keys of providers, by name. Layer 1.

They lie in the tenant's file, which is encrypted with the tenant's key. A value goes in and comes out by
`read`; it is in no listing, no `repr`, no message and no archive (`tenant_rows`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlite_utils

from aura_local.errors import InvalidRequest, NotFound
from aura_local.storage.database import Database

LONGEST_VALUE_BYTES: Final = 8 * 1024
"""The longest keys that providers give out are signed tokens of a few KiB."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SecretName:
    """All that is ever shown of a secret."""

    name: str
    updated_at: str
    """UTC, ISO 8601."""


class TenantSecrets:
    """The secrets of one tenant. Changes are durable on return; nothing is kept in memory."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = _utc_now) -> None:
        """`database` is the tenant's."""
        self._database = database
        self._now = now

    async def put(self, name: str, value: str) -> None:
        """Keep a value under a name, in place of an earlier one.

        Raises `InvalidRequest` for what is no name, and for a value that is not 1 byte to 8 KiB of printable
        characters; the message repeats neither.
        """
        name, value = checked_secret_name(name), checked_secret_value(value)
        updated_at = self._now().astimezone(UTC).isoformat(timespec="milliseconds")

        def put(connection: sqlite_utils.Database) -> None:
            connection.conn.execute(
                "INSERT INTO secrets (name, value, updated_at) VALUES (?, ?, ?) ON CONFLICT (name)"
                " DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
                (name, value, updated_at),
            )

        await self._database.write(put)

    async def names(self) -> list[SecretName]:
        """All of them, by name."""
        query = "SELECT name, updated_at FROM secrets ORDER BY name"
        return await self._database.read(
            lambda connection: [SecretName(*row) for row in connection.conn.execute(query).fetchall()]
        )

    async def read(self, name: str) -> str:
        """The value, for the adapter that presents it. Raises `NotFound`."""
        query = "SELECT value FROM secrets WHERE name = ?"
        row = await self._database.read(lambda connection: connection.conn.execute(query, (name,)).fetchone())
        if row is None:
            raise _unknown()
        return str(row[0])

    async def remove(self, name: str) -> None:
        """Delete it; its bytes in the file are overwritten. Raises `NotFound`."""

        def remove(connection: sqlite_utils.Database) -> None:
            if connection.conn.execute("DELETE FROM secrets WHERE name = ?", (name,)).rowcount == 0:
                raise _unknown()

        await self._database.write(remove)


def checked_secret_name(name: str) -> str:
    """The name itself. Raises `InvalidRequest`."""
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest(
            "The name of a secret is 1 to 64 lower-case letters, digits, dots, hyphens and underscores, and "
            "begins with a letter or digit."
        )
    return name


def checked_secret_value(value: str) -> str:
    """The value itself. Raises `InvalidRequest`, which does not repeat it."""
    # Lone surrogates are not printable either: whatever passes can be encoded.
    if not value or not value.isprintable() or len(value.encode()) > LONGEST_VALUE_BYTES:
        raise InvalidRequest(
            f"A secret is 1 byte to {LONGEST_VALUE_BYTES // 1024} KiB of printable characters, on one line."
        )
    return value


def _unknown() -> NotFound:
    return NotFound("There is no secret of this name.")
