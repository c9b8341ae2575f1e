"""API keys: 256 random bits, shown once, kept as a prefix and a SHA-256. Layer 2.

`aura_<12 characters>_<43 characters>`: the first part finds the row, the whole is compared by digest.
"""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlite_utils

from aura_local.accounts.moments import Now, stamp, utc_now
from aura_local.accounts.permissions import ROLES, USUAL_SCOPES, Permission, scopes_from
from aura_local.accounts.random_secrets import TAIL_PATTERN, digest_of, new_id, new_secret
from aura_local.accounts.written_names import checked_label
from aura_local.errors import Conflict, InvalidRequest, NotFound
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.database import Database

KEY_SHAPE: Final = re.compile(rf"aura_([a-z0-9]{{12}})_{TAIL_PATTERN}")
LONGEST_OVERLAP: Final = timedelta(days=7)
TOUCH_INTERVAL: Final = timedelta(minutes=1)

_PREFIX_CHARACTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of an issued key; the key itself is not. Times are UTC, ISO 8601."""

    id: str
    tenant_id: str
    label: str
    prefix: str
    digest: bytes = field(repr=False)
    """SHA-256 of the whole key."""
    scopes: frozenset[Permission]
    created_at: str
    last_used_at: str | None
    """Exact to a minute."""
    revoked_at: str | None
    expires_at: str | None


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key, the only time that it exists outside its owner's hands."""

    id: str
    key: str = field(repr=False)
    prefix: str


class ApiKeys:
    """The keys of all tenants. Every change is durable on return."""

    def __init__(
        self, database: Database, *, now: Now = utc_now, longest_overlap: timedelta = LONGEST_OVERLAP
    ) -> None:
        self._database = database
        self._longest_overlap = longest_overlap
        self._now = now
        self._touched: dict[str, datetime] = {}

    async def issue(
        self,
        tenant_id: str,
        label: str,
        *,
        scopes: frozenset[Permission] = USUAL_SCOPES,
        expires_at: datetime | None = None,
        also: AlsoWrite | None = None,
    ) -> IssuedKey:
        """Make a key for a tenant.

        Raises `NotFound` for an unknown tenant, `InvalidRequest` for a scope that keys cannot have, an
        expiry that is past or has no time zone, and an impossible label.
        """
        now = self._now()
        expiry = None if expires_at is None else stamp(expires_at)
        if expiry is not None and expiry <= stamp(now):
            raise InvalidRequest("The key would have expired already.")
        label, scopes = checked_label(label), scopes_from(frozenset(scopes))

        def insert(database: sqlite_utils.Database) -> IssuedKey:
            if not list(database.query("SELECT 1 FROM tenants WHERE id = ?", (tenant_id,))):
                raise NotFound("There is no such tenant.")
            return _insert(database, tenant_id, label, scopes, stamp(now), expiry, also)

        return await self._database.write(insert)

    async def rotate(
        self, tenant_id: str, key_id: str, *, overlap: timedelta, also: AlsoWrite | None = None
    ) -> IssuedKey:
        """Replace a key by one with the same label, scopes and lifetime; the old one ends after `overlap`.

        `also` gets the id of the new one. Raises `NotFound` for another tenant's key, `Conflict` for one
        that has ended, and `InvalidRequest` for an overlap below zero or above the longest.
        """
        if not timedelta(0) <= overlap <= self._longest_overlap:
            raise InvalidRequest(
                f"Both keys can work for at most {self._longest_overlap / timedelta(hours=1):g} hours."
            )
        now = self._now()

        def rotate(database: sqlite_utils.Database) -> IssuedKey:
            old = _of_tenant(database, tenant_id, key_id)
            if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= stamp(now)):
                raise Conflict("This key has ended already; make a new one.")
            end, expiry = stamp(now + overlap), None
            if old.expires_at is not None:
                end = min(end, old.expires_at)
                lifetime = datetime.fromisoformat(old.expires_at) - datetime.fromisoformat(old.created_at)
                expiry = stamp(now + lifetime)
            database.conn.execute("UPDATE api_keys SET expires_at = ? WHERE id = ?", (end, old.id))
            return _insert(database, tenant_id, old.label, old.scopes, stamp(now), expiry, also)

        return await self._database.write(rotate)

    async def find(self, prefix: str) -> ApiKey:
        """The key with this prefix, ended or not. Raises `NotFound`."""
        keys = await self._database.read(lambda database: _keys(database, "prefix = ?", prefix))
        if not keys:
            raise NotFound("There is no such API key.")
        return keys[0]

    async def of_tenant(self, tenant_id: str) -> list[ApiKey]:
        """A tenant's keys, oldest first, ended ones included."""
        return await self._database.read(lambda database: _keys(database, "tenant_id = ?", tenant_id))

    async def revoke(self, tenant_id: str, key_id: str, *, also: AlsoWrite | None = None) -> None:
        """End a key for good; a second time changes nothing. Raises `NotFound` for another tenant's key."""
        revoked_at = stamp(self._now())

        def revoke(database: sqlite_utils.Database) -> None:
            if _of_tenant(database, tenant_id, key_id).revoked_at is not None:
                return
            database.conn.execute("UPDATE api_keys SET revoked_at = ? WHERE id = ?", (revoked_at, key_id))
            if also is not None:
                also(database, key_id)

        await self._database.write(revoke)

    async def touch(self, key_id: str) -> None:
        """Note that the key has just been used; writes at most once a minute."""
        now = self._now()
        previous = self._touched.get(key_id)
        # A clock that was set back must not keep the note from being written for as long.
        if previous is not None and timedelta(0) <= now - previous < TOUCH_INTERVAL:
            return
        self._touched[key_id] = now

        def touch(database: sqlite_utils.Database) -> None:
            database.conn.execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?", (stamp(now), key_id))

        await self._database.write(touch)


def key_by_id(database: sqlite_utils.Database, key_id: str) -> ApiKey | None:
    """The key, ended or not, whosever it is: for finding out whether its bearer may go on."""
    keys = _keys(database, "id = ?", key_id)
    return keys[0] if keys else None


def _insert(
    database: sqlite_utils.Database,
    tenant_id: str,
    label: str,
    scopes: frozenset[Permission],
    created_at: str,
    expires_at: str | None,
    also: AlsoWrite | None,
) -> IssuedKey:
    prefix = "".join(secrets.choice(_PREFIX_CHARACTERS) for _ in range(12))
    issued = IssuedKey(new_id(), f"aura_{prefix}_{new_secret()}", prefix)
    database.conn.execute(
        "INSERT INTO api_keys (id, tenant_id, label, prefix, digest, scopes, created_at, expires_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            issued.id,
            tenant_id,
            label,
            prefix,
            digest_of(issued.key),
            " ".join(sorted(scopes)),
            created_at,
            expires_at,
        ),
    )
    if also is not None:
        also(database, issued.id)
    return issued


def _keys(database: sqlite_utils.Database, condition: str, *parameters: str) -> list[ApiKey]:
    query = (
        "SELECT id, tenant_id, label, prefix, digest, scopes, created_at, last_used_at, revoked_at, "  # noqa: S608
        f"expires_at FROM api_keys WHERE {condition} ORDER BY created_at, id"
    )
    return [_from_row(row) for row in database.query(query, parameters)]


def _of_tenant(database: sqlite_utils.Database, tenant_id: str, key_id: str) -> ApiKey:
    keys = _keys(database, "tenant_id = ? AND id = ?", tenant_id, key_id)
    if not keys:
        raise NotFound("There is no such API key.")
    return keys[0]


def _from_row(row: dict[str, Any]) -> ApiKey:
    written = row.pop("scopes")
    # A scope that a later version knows, or that keys may no longer have, is worth nothing here.
    scopes = USUAL_SCOPES if written is None else ROLES["service"] & frozenset(written.split())
    return ApiKey(scopes=scopes, **row)
