"""The platform database: tenants, their wrapped keys, and the API keys that lead to them. Layer 1."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import sqlcipher3.dbapi2 as sqlcipher
import sqlite_utils

from aura_local.errors import Conflict, InvalidRequest, NotFound
from aura_local.storage.database import Database
from aura_local.storage.keys import PLATFORM_DATABASE, MasterKey, new_tenant_key
from aura_local.storage.schema import PLATFORM_MIGRATIONS

TOUCH_INTERVAL = timedelta(minutes=1)

_TENANT_NAME = re.compile(r"(?=.*\S)[\w -]{1,64}")
_KEY_COLUMNS = "id, tenant_id, label, prefix, digest, created_at, last_used_at, revoked_at"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One organisation. `id` names its folder and never changes."""

    id: str
    name: str
    created_at: str
    """UTC, ISO 8601, like all times here."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of an issued key; the key itself is not."""

    id: str
    tenant_id: str
    label: str
    prefix: str
    digest: bytes = field(repr=False)
    """SHA-256 of the whole key."""
    created_at: str
    last_used_at: str | None
    """Exact to a minute."""
    revoked_at: str | None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Catalog:
    """Tenants and API keys. Every change is durable on return."""

    def __init__(
        self, database: Database, master_key: MasterKey, *, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._database = database
        self._master_key = master_key
        self._now = now
        self._touched: dict[str, datetime] = {}

    @classmethod
    async def open(
        cls,
        home: Path,
        master_key: MasterKey,
        *,
        limiter: anyio.CapacityLimiter | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> Catalog:
        """Open or create `home`/aura.sqlite. Raises like `Database.open`."""
        database = await Database.open(
            home / PLATFORM_DATABASE, master_key.derive("platform"), PLATFORM_MIGRATIONS, limiter=limiter
        )
        return cls(database, master_key, now=now)

    async def close(self) -> None:
        """Close the database. Idempotent."""
        await self._database.close()

    async def create_tenant(self, name: str) -> Tenant:
        """Add a tenant with a key of its own.

        Raises InvalidRequest unless the name is 1-64 letters, digits, spaces, hyphens and underscores, and
        Conflict if it is taken.
        """
        name = unicodedata.normalize("NFC", name)
        if _TENANT_NAME.fullmatch(name) is None or name != name.strip():
            raise InvalidRequest(
                "A tenant name is 1 to 64 letters, digits, spaces, hyphens and underscores, "
                "without a space at either end."
            )
        tenant = Tenant(secrets.token_hex(8), name, self._stamp())
        wrapped = self._master_key.wrap(tenant.id, new_tenant_key())

        def insert(database: sqlite_utils.Database) -> None:
            database.conn.execute(
                "INSERT INTO tenants (id, name, wrapped_key, created_at) VALUES (?, ?, ?, ?)",
                (tenant.id, tenant.name, wrapped, tenant.created_at),
            )

        try:
            await self._database.write(insert)
        except sqlcipher.IntegrityError as error:
            raise Conflict("A tenant of this name exists already.") from error
        return tenant

    async def tenants(self) -> list[Tenant]:
        """All tenants, by name."""
        rows = await self._rows("SELECT id, name, created_at FROM tenants ORDER BY name")
        return [Tenant(**row) for row in rows]

    async def tenant(self, tenant_id: str) -> Tenant:
        """Raises NotFound."""
        return Tenant(**await self._row("SELECT id, name, created_at FROM tenants WHERE id = ?", tenant_id))

    async def tenant_by_name(self, name: str) -> Tenant:
        """Raises NotFound."""
        name = unicodedata.normalize("NFC", name)
        return Tenant(**await self._row("SELECT id, name, created_at FROM tenants WHERE name = ?", name))

    async def tenant_key(self, tenant_id: str) -> bytes:
        """The tenant's raw key. Raises NotFound, and KeyUnavailable if the master key is another one."""
        row = await self._row("SELECT wrapped_key FROM tenants WHERE id = ?", tenant_id)
        return self._master_key.unwrap(tenant_id, row["wrapped_key"])

    async def add_api_key(self, tenant_id: str, label: str, prefix: str, digest: bytes) -> ApiKey:
        """Record an issued key. Raises NotFound for the tenant and Conflict for a prefix already used."""
        await self.tenant(tenant_id)
        key = ApiKey(secrets.token_hex(8), tenant_id, label, prefix, digest, self._stamp(), None, None)

        def insert(database: sqlite_utils.Database) -> None:
            database.conn.execute(
                "INSERT INTO api_keys (id, tenant_id, label, prefix, digest, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (key.id, key.tenant_id, key.label, key.prefix, key.digest, key.created_at),
            )

        try:
            await self._database.write(insert)
        except sqlcipher.IntegrityError as error:
            raise Conflict("An API key with this prefix exists already.") from error
        return key

    async def find_api_key(self, prefix: str) -> ApiKey:
        """The key with this prefix, revoked or not. Raises NotFound."""
        return ApiKey(**await self._row(f"SELECT {_KEY_COLUMNS} FROM api_keys WHERE prefix = ?", prefix))  # noqa: S608

    async def api_keys(self, tenant_id: str) -> list[ApiKey]:
        """A tenant's keys, oldest first, revoked ones included."""
        query = f"SELECT {_KEY_COLUMNS} FROM api_keys WHERE tenant_id = ? ORDER BY created_at, id"  # noqa: S608
        return [ApiKey(**row) for row in await self._rows(query, tenant_id)]

    async def revoke_api_key(self, tenant_id: str, key_id: str) -> None:
        """Revoke for good; a second time changes nothing. Raises NotFound for another tenant's key."""
        stamp = self._stamp()

        def revoke(database: sqlite_utils.Database) -> int:
            cursor = database.conn.execute(
                "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? AND tenant_id = ?",
                (stamp, key_id, tenant_id),
            )
            return int(cursor.rowcount)

        if await self._database.write(revoke) == 0:
            raise NotFound("There is no such API key.")

    async def touch_api_key(self, key_id: str) -> None:
        """Note that the key has just been used; writes at most once a minute."""
        now = self._now()
        previous = self._touched.get(key_id)
        if previous is not None and now - previous < TOUCH_INTERVAL:
            return
        self._touched[key_id] = now

        def touch(database: sqlite_utils.Database) -> None:
            database.conn.execute(
                "UPDATE api_keys SET last_used_at = ? WHERE id = ?", (self._stamp(now), key_id)
            )

        await self._database.write(touch)

    async def _rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        return await self._database.read(lambda database: list(database.query(query, parameters)))

    async def _row(self, query: str, *parameters: Any) -> dict[str, Any]:
        rows = await self._rows(query, *parameters)
        if not rows:
            raise NotFound("There is no such tenant or API key.")
        return rows[0]

    def _stamp(self, moment: datetime | None = None) -> str:
        return (moment or self._now()).isoformat(timespec="milliseconds")
