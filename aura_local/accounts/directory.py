"""The people of the tenants, and the owners of the platform. Layer 2."""

from __future__ import annotations

from collections.abc import Callable

import sqlite_utils

from aura_local.accounts.moments import Now, stamp, utc_now
from aura_local.accounts.passwords import Passwords, checked_password
from aura_local.accounts.permissions import UserRole
from aura_local.accounts.refusal import refusal
from aura_local.accounts.throttle import Throttle
from aura_local.accounts.users import User as User
from aura_local.accounts.users import UserStatus, account, accounts, end_sessions
from aura_local.accounts.written_names import checked_name
from aura_local.errors import Busy, Conflict, InvalidRequest, NotFound
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.database import Database


class Directory:
    """Every change is durable on return; `tenant_id` None means the owners of the platform.

    A person of another tenant is `NotFound`. The last active owner, and the last active admin of a tenant,
    can be neither suspended, demoted nor removed: `Conflict`.
    """

    def __init__(
        self,
        database: Database,
        *,
        now: Now = utc_now,
        passwords: Passwords | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self._database = database
        self._now = now
        self._passwords = passwords or Passwords()
        self._throttle = throttle or Throttle()

    async def users(self, tenant_id: str | None) -> list[User]:
        """A tenant's people, in the order in which they came."""
        found = await self._database.read(
            lambda database: accounts(database, "users.tenant_id IS ?", tenant_id)
        )
        return [one.user for one in found]

    async def user(self, tenant_id: str | None, user_id: str) -> User:
        """One of them. Raises `NotFound`."""
        return await self._database.read(lambda database: _of_tenant(database, tenant_id, user_id))

    async def set_role(
        self, tenant_id: str | None, user_id: str, role: UserRole, *, also: AlsoWrite | None = None
    ) -> User:
        """Change what a person may do; all their tokens end. The role they have already changes nothing.

        Raises `InvalidRequest` for making an owner of a tenant's person or the reverse.
        """
        if role not in ("owner", "admin", "member", "viewer") or (role == "owner") != (tenant_id is None):
            raise InvalidRequest("People of a tenant are admin, member or viewer; the platform has owners.")

        def change(database: sqlite_utils.Database, user: User) -> None:
            _require_another(database, user)
            database.conn.execute("UPDATE users SET role = ? WHERE id = ?", (role, user.id))
            end_sessions(database, user.id, stamp(self._now()))

        return await self._change(tenant_id, user_id, lambda user: user.role != role, change, also)

    async def set_status(
        self, tenant_id: str | None, user_id: str, status: UserStatus, *, also: AlsoWrite | None = None
    ) -> User:
        """Suspend a person, or let them in again; all their tokens end either way."""
        if status not in ("active", "suspended"):
            raise InvalidRequest("A person is active or suspended.")

        def change(database: sqlite_utils.Database, user: User) -> None:
            if status == "suspended":
                _require_another(database, user)
            database.conn.execute("UPDATE users SET status = ? WHERE id = ?", (status, user.id))
            end_sessions(database, user.id, stamp(self._now()))

        return await self._change(tenant_id, user_id, lambda user: user.status != status, change, also)

    async def rename(
        self, tenant_id: str | None, user_id: str, name: str, *, also: AlsoWrite | None = None
    ) -> User:
        """Change what a person is called. Raises `InvalidRequest` for an impossible name."""
        written = checked_name(name)

        def change(database: sqlite_utils.Database, user: User) -> None:
            database.conn.execute("UPDATE users SET name = ? WHERE id = ?", (written, user.id))

        return await self._change(tenant_id, user_id, lambda user: user.name != written, change, also)

    async def remove(self, tenant_id: str | None, user_id: str, *, also: AlsoWrite | None = None) -> None:
        """Delete a person with all their tokens and links."""

        def remove(database: sqlite_utils.Database) -> None:
            _require_another(database, _of_tenant(database, tenant_id, user_id))
            database.conn.execute("DELETE FROM users WHERE id = ?", (user_id,))
            if also is not None:
                also(database, user_id)

        await self._database.write(remove)

    async def change_password(
        self, user_id: str, old: str, new: str, *, also: AlsoWrite | None = None
    ) -> None:
        """Change one's own password; all tokens and reset links end.

        Raises `InvalidRequest` for an impossible new one, `AuthenticationFailed` for a wrong old one, and
        `TooManyRequests` and `Busy` like a login.
        """
        password = checked_password(new)
        found = await self._database.read(lambda database: account(database, user_id))
        if found is None or found.user.status != "active" or found.password_hash is None:
            raise refusal()
        stored = found.password_hash
        attempt = self._throttle.begin(found.user.email, None)
        try:
            matches = await self._passwords.matches(stored, old)
            if not matches:
                raise refusal()
            renewed = await self._passwords.hash(password)
        except Busy:
            self._throttle.take_back(attempt)
            raise
        changed_at = stamp(self._now())

        def change(database: sqlite_utils.Database) -> None:
            cursor = database.conn.execute(
                "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ? AND status = 'active'",
                (renewed, user_id, stored),
            )
            if cursor.rowcount != 1:  # changed or suspended meanwhile
                raise refusal()
            end_sessions(database, user_id, changed_at)
            database.conn.execute("DELETE FROM links WHERE user_id = ?", (user_id,))
            if also is not None:
                also(database, user_id)

        await self._database.write(change)
        self._throttle.take_back(attempt)

    async def _change(
        self,
        tenant_id: str | None,
        user_id: str,
        differs: Callable[[User], bool],
        change: Callable[[sqlite_utils.Database, User], None],
        also: AlsoWrite | None,
    ) -> User:
        def carry_out(database: sqlite_utils.Database) -> User:
            user = _of_tenant(database, tenant_id, user_id)
            if differs(user):
                change(database, user)
                if also is not None:
                    also(database, user_id)
            return _of_tenant(database, tenant_id, user_id)

        return await self._database.write(carry_out)


def _of_tenant(database: sqlite_utils.Database, tenant_id: str | None, user_id: str) -> User:
    found = account(database, user_id)
    if found is None or found.user.tenant_id != tenant_id:
        raise NotFound("There is no such person.")
    return found.user


def _require_another(database: sqlite_utils.Database, user: User) -> None:
    """Raises `Conflict` if without this person nobody could administer the tenant, or the platform."""
    if user.role not in ("owner", "admin") or user.status != "active":
        return
    others = accounts(
        database,
        "users.tenant_id IS ? AND users.role = ? AND users.status = 'active' AND users.id != ?",
        user.tenant_id,
        user.role,
        user.id,
    )
    if not others:
        raise Conflict(f"This is the last active {user.role}: make another one first.")
