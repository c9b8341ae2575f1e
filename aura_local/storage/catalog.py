"""The platform database: tenants and their wrapped keys. Layer 1."""

from __future__ import annotations

import logging
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import anyio
import sqlcipher3.dbapi2 as sqlcipher
import sqlite_utils

from aura_local.errors import Busy, Conflict, InvalidRequest, NotFound
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.database import Database
from aura_local.storage.keys import PLATFORM_DATABASE, MasterKey, new_tenant_key
from aura_local.storage.platform_tables import PLATFORM_MIGRATIONS

log = logging.getLogger(__name__)

_TENANT_NAME = re.compile(r"(?=.*\S)[\w -]{1,64}")
_TENANTS = "SELECT id, name, created_at, status, tier, public_page FROM tenants"

TenantStatus = Literal["active", "suspended"]


@dataclass(frozen=True, slots=True)
class Tenant:
    """One organisation. `id` names its folder and never changes."""

    id: str
    name: str
    created_at: str
    """UTC, ISO 8601, like all times here."""
    status: TenantStatus = "active"
    tier: str | None = None
    """Name of its tier; None for the default one."""
    public_page: bool = False
    """Whether visitors may talk to it on a page of its own."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Catalog:
    """Tenants. Every change is durable on return."""

    def __init__(
        self, database: Database, master_key: MasterKey, *, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._database = database
        self._master_key = master_key
        self._now = now

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

    @property
    def database(self) -> Database:
        """The platform's file, which also holds people and their credentials (`aura_local.accounts`)."""
        return self._database

    async def close(self) -> None:
        """Close the database. Idempotent."""
        await self._database.close()

    async def create_tenant(
        self, name: str, *, tier: str | None = None, also: AlsoWrite | None = None
    ) -> Tenant:
        """Add a tenant with a key of its own. Raises like `plan_tenant` and `add_tenant`."""
        tenant = replace(self.plan_tenant(name), tier=tier)
        await self.add_tenant(tenant, new_tenant_key(), also=also)
        return tenant

    def plan_tenant(self, name: str) -> Tenant:
        """A tenant that does not exist yet, with its id, so that its folder can be prepared.

        Raises InvalidRequest unless the name is 1-64 letters, digits, spaces, hyphens and underscores.
        """
        return Tenant(secrets.token_hex(8), _checked_name(name), self._stamp())

    async def add_tenant(self, tenant: Tenant, key: bytes, *, also: AlsoWrite | None = None) -> None:
        """Record a planned tenant with its key. Raises Conflict if the name is taken."""
        wrapped = self._master_key.wrap(tenant.id, key)

        def insert(database: sqlite_utils.Database) -> None:
            database.conn.execute(
                "INSERT INTO tenants (id, name, wrapped_key, created_at, tier) VALUES (?, ?, ?, ?, ?)",
                (tenant.id, tenant.name, wrapped, tenant.created_at, tenant.tier),
            )
            if also is not None:
                also(database, tenant.id)

        with _names_are_unique():
            await self._database.write(insert)

    async def rename(self, tenant_id: str, name: str, *, also: AlsoWrite | None = None) -> None:
        """Raises NotFound, InvalidRequest and Conflict like `create_tenant`."""
        with _names_are_unique():
            await self._change(tenant_id, "name", _checked_name(name), also)

    async def set_status(
        self, tenant_id: str, status: TenantStatus, *, also: AlsoWrite | None = None
    ) -> None:
        """Suspend a tenant, or let it work again. Raises NotFound."""
        await self._change(tenant_id, "status", status, also)

    async def set_tier(self, tenant_id: str, tier: str | None, *, also: AlsoWrite | None = None) -> None:
        """None: the default tier. Raises NotFound; whether the tier exists is the caller's to know."""
        await self._change(tenant_id, "tier", tier, also)

    async def set_public_page(self, tenant_id: str, on: bool, *, also: AlsoWrite | None = None) -> None:
        """Raises NotFound."""
        await self._change(tenant_id, "public_page", int(on), also)

    async def replace_tenant_key(self, tenant_id: str, key: bytes, *, also: AlsoWrite | None = None) -> None:
        """Wrap another key for the tenant; `forget_former_keys` then removes the last traces of the old one.

        Raises NotFound.
        """
        await self._change(tenant_id, "wrapped_key", self._master_key.wrap(tenant_id, key), also)

    async def delete_tenant(self, tenant_id: str, *, also: AlsoWrite | None = None) -> None:
        """Delete the tenant's row with its key, people, API keys and widgets. Raises NotFound.

        Only part of an erasure: `erasure.erase` is the whole.
        """
        await self._change(tenant_id, None, None, also)

    async def forget_former_keys(self) -> None:
        """Rewrite the file without the wrapped keys that have been replaced.

        What another process is reading at this moment is left to the next time, with a warning in the log.
        """
        try:
            await self._database.compact()
        except Busy:
            log.warning(
                "replaced tenant keys stay in the log of the platform's file until it is next rewritten"
            )

    async def tenants(self) -> list[Tenant]:
        """All tenants, by name."""
        return [_tenant(row) for row in await self._rows(f"{_TENANTS} ORDER BY name")]

    async def tenant(self, tenant_id: str) -> Tenant:
        """Raises NotFound."""
        return _tenant(await self._row(f"{_TENANTS} WHERE id = ?", tenant_id))

    async def tenant_by_name(self, name: str) -> Tenant:
        """Raises NotFound."""
        name = unicodedata.normalize("NFC", name)
        return _tenant(await self._row(f"{_TENANTS} WHERE name = ?", name))

    async def tenant_key(self, tenant_id: str) -> bytes:
        """The tenant's raw key. Raises NotFound, and KeyUnavailable if the master key is another one."""
        row = await self._row("SELECT wrapped_key FROM tenants WHERE id = ?", tenant_id)
        return self._master_key.unwrap(tenant_id, row["wrapped_key"])

    async def _change(
        self, tenant_id: str, column: str | None, value: str | int | bytes | None, also: AlsoWrite | None
    ) -> None:
        """Set one column of a tenant; without a column, delete the row."""
        statement = "DELETE FROM tenants"
        if column is not None:
            statement = f"UPDATE tenants SET {column} = :value"  # noqa: S608 - our own column names

        def change(database: sqlite_utils.Database) -> None:
            parameters = {"id": tenant_id} if column is None else {"id": tenant_id, "value": value}
            if database.conn.execute(f"{statement} WHERE id = :id", parameters).rowcount == 0:
                raise NotFound("There is no such tenant.")
            if also is not None:
                also(database, tenant_id)

        await self._database.write(change)

    async def _rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        return await self._database.read(lambda database: list(database.query(query, parameters)))

    async def _row(self, query: str, *parameters: Any) -> dict[str, Any]:
        rows = await self._rows(query, *parameters)
        if not rows:
            raise NotFound("There is no such tenant.")
        return rows[0]

    def _stamp(self, moment: datetime | None = None) -> str:
        return (moment or self._now()).isoformat(timespec="milliseconds")


def _tenant(row: dict[str, Any]) -> Tenant:
    return Tenant(**(row | {"public_page": bool(row["public_page"])}))


def _checked_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name)
    if _TENANT_NAME.fullmatch(name) is None or name != name.strip():
        raise InvalidRequest(
            "A tenant name is 1 to 64 letters, digits, spaces, hyphens and underscores, "
            "without a space at either end."
        )
    return name


@contextmanager
def _names_are_unique() -> Iterator[None]:
    try:
        yield
    except sqlcipher.IntegrityError as error:
        # An audit entry that cannot be written is no clash of names.
        if "tenants.name" not in str(error):
            raise
        raise Conflict("A tenant of this name exists already.") from error
