"""People whom an identity provider names: found by e-mail address, or added. Layer 2."""

from __future__ import annotations

import sqlite_utils

from aura_local.accounts.id_tokens import Identity
from aura_local.accounts.moments import Now, stamp, utc_now
from aura_local.accounts.permissions import UserRole
from aura_local.accounts.random_secrets import new_id
from aura_local.accounts.refusal import suspended
from aura_local.accounts.users import User, accounts
from aura_local.errors import NotFound
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.database import Database


class Identified:
    """The rows of `users`, by what a provider says about people."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def find(self, identity: Identity) -> User | None:
        """Whoever has this e-mail address, in whichever tenant."""
        return await self._database.read(lambda database: _by_email(database, identity.email))

    async def join(
        self, tenant_id: str, identity: Identity, role: UserRole, *, also: AlsoWrite | None = None
    ) -> User:
        """A new person without a password; whoever has the address already is returned as they are.

        Raises `NotFound` for an unknown tenant, and `TenantSuspended`.
        """
        joined_at = stamp(self._now())

        def join(database: sqlite_utils.Database) -> User:
            known = _by_email(database, identity.email)
            if known is not None:
                return known
            tenants = list(database.query("SELECT status FROM tenants WHERE id = ?", (tenant_id,)))
            if not tenants:
                raise NotFound("There is no such tenant.")
            if tenants[0]["status"] != "active":
                raise suspended()
            user_id = new_id()
            database.conn.execute(
                "INSERT INTO users (id, tenant_id, email, name, role, created_at) VALUES (?, ?, ?, ?, ?, ?)",
                (user_id, tenant_id, identity.email, identity.name, role, joined_at),
            )
            if also is not None:
                also(database, user_id)
            return accounts(database, "users.id = ?", user_id)[0].user

        return await self._database.write(join)


def _by_email(database: sqlite_utils.Database, email: str) -> User | None:
    found = accounts(database, "users.email = ?", email)
    return found[0].user if found else None
