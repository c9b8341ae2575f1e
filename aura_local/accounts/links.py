"""Single-use links: set-up of the platform, invitations, password resets. Layer 2.

No mail server is needed: whoever makes a link is shown its secret once and passes it on. Only a digest is
kept. A new link voids the earlier ones for the same purpose and person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

import sqlite_utils

from aura_local.accounts.moments import Now, stamp, utc_now
from aura_local.accounts.passwords import Passwords, checked_password
from aura_local.accounts.permissions import UserRole
from aura_local.accounts.random_secrets import digest_of, looks_like_secret, new_id, new_secret
from aura_local.accounts.refusal import refusal, suspended
from aura_local.accounts.users import User, account, accounts, end_sessions
from aura_local.accounts.written_names import checked_email, checked_name
from aura_local.errors import Conflict, InvalidRequest, NotFound
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.database import Database

Purpose = Literal["setup", "invitation", "reset"]

LIFETIMES: Final[Mapping[Purpose, timedelta]] = MappingProxyType(
    {"setup": timedelta(days=1), "invitation": timedelta(days=7), "reset": timedelta(days=1)}
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation or reset, the only time that its secret is known here."""

    secret: str = field(repr=False)
    expires_at: str
    """UTC, ISO 8601."""


class Links:
    """Makes links and redeems them. Every change is durable on return."""

    def __init__(
        self,
        database: Database,
        *,
        now: Now = utc_now,
        lifetimes: Mapping[Purpose, timedelta] = LIFETIMES,
        passwords: Passwords | None = None,
    ) -> None:
        self._lifetimes = lifetimes
        self._database = database
        self._now = now
        self._passwords = passwords or Passwords()

    async def setup_link(self, *, also: AlsoWrite | None = None) -> str | None:
        """The secret with which the first owner signs up; None as soon as there is one."""

        def make(database: sqlite_utils.Database) -> str | None:
            if _owner_exists(database):
                return None
            database.conn.execute("DELETE FROM links WHERE purpose = 'setup'")
            return self._add(database, "setup", also).secret

        return await self._database.write(make)

    async def invite(
        self, tenant_id: str | None, email: str, role: UserRole, *, also: AlsoWrite | None = None
    ) -> Invitation:
        """Ask somebody to join a tenant, or with `tenant_id` None the platform's owners.

        `also` gets an id of the link. Raises `InvalidRequest` for an impossible address or role, `NotFound`
        for an unknown tenant, and `Conflict` for an address that is among its people already; whether
        another tenant knows the address is not said here.
        """
        address = checked_email(email)
        if role not in ("owner", "admin", "member", "viewer") or (role == "owner") != (tenant_id is None):
            raise InvalidRequest("People of a tenant are admin, member or viewer; the platform has owners.")

        def make(database: sqlite_utils.Database) -> Invitation:
            known = database.query("SELECT 1 FROM tenants WHERE id = ?", (tenant_id,))
            if tenant_id is not None and not list(known):
                raise NotFound("There is no such tenant.")
            if accounts(database, "users.tenant_id IS ? AND users.email = ?", tenant_id, address):
                raise Conflict("Somebody with this e-mail address has joined already.")
            database.conn.execute(
                "DELETE FROM links WHERE purpose = 'invitation' AND tenant_id IS ? AND email = ?",
                (tenant_id, address),
            )
            return self._add(database, "invitation", also, tenant_id=tenant_id, email=address, role=role)

        return await self._database.write(make)

    async def reset(
        self, tenant_id: str | None, user_id: str, *, also: AlsoWrite | None = None
    ) -> Invitation:
        """Let a person choose a new password; the old one works until they do.

        `also` gets the person's id. Raises `NotFound` for another tenant's person.
        """

        def make(database: sqlite_utils.Database) -> Invitation:
            found = account(database, user_id)
            if found is None or found.user.tenant_id != tenant_id:
                raise NotFound("There is no such person.")
            database.conn.execute("DELETE FROM links WHERE purpose = 'reset' AND user_id = ?", (user_id,))
            return self._add(database, "reset", also, user_id=user_id)

        return await self._database.write(make)

    async def redeem(
        self,
        secret: str,
        *,
        password: str,
        name: str | None = None,
        email: str | None = None,
        also: AlsoWrite | None = None,
    ) -> User:
        """Join, or choose a new password. The link is used up if this succeeds, and only then.

        Set-up and invitation need a name, set-up an e-mail address too; elsewhere they are ignored.
        Raises `AuthenticationFailed`, always the same, for a secret that is unknown, used or expired,
        `InvalidRequest` for an impossible password, name or address, `Conflict` for an address that has an
        account already, `TenantSuspended`, and `Busy`.
        """
        if not looks_like_secret(secret):
            raise refusal()
        digest, now = digest_of(secret), self._now()
        # Before the password is hashed: nobody without a link makes us work.
        link = await self._database.read(lambda database: _good_link(database, digest, stamp(now)))
        password = checked_password(password)
        if link["purpose"] != "reset":
            name = checked_name(name or "")
        if link["purpose"] == "setup":
            email = checked_email(email or "")
        password_hash = await self._passwords.hash(password)

        def redeem(database: sqlite_utils.Database) -> User:
            again = _good_link(database, digest, stamp(now))
            database.conn.execute("UPDATE links SET used_at = ? WHERE digest = ?", (stamp(now), digest))
            if again["purpose"] == "reset":
                user_id = again["user_id"]
                _set_password(database, user_id, password_hash, stamp(now))
            else:
                address = email if again["purpose"] == "setup" else again["email"]
                user_id = _join(database, again, (address, name, password_hash), stamp(now))
            if also is not None:
                also(database, user_id)
            found = account(database, user_id)
            if found is None:
                raise refusal()
            return found.user

        return await self._database.write(redeem)

    def _add(
        self, database: sqlite_utils.Database, purpose: Purpose, also: AlsoWrite | None, **about: str | None
    ) -> Invitation:
        now, secret = self._now(), new_secret()
        digest, expires_at = digest_of(secret), stamp(now + self._lifetimes[purpose])
        database.conn.execute("DELETE FROM links WHERE expires_at <= ?", (stamp(now),))
        database.conn.execute(
            "INSERT INTO links (digest, purpose, user_id, tenant_id, email, role, created_at, expires_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                digest,
                purpose,
                *(about.get(column) for column in ("user_id", "tenant_id", "email", "role")),
                stamp(now),
                expires_at,
            ),
        )
        if also is not None:
            also(database, about.get("user_id") or digest.hex()[:16])
        return Invitation(secret, expires_at)


def _good_link(database: sqlite_utils.Database, digest: bytes, now: str) -> dict[str, Any]:
    query = "SELECT * FROM links WHERE digest = ? AND used_at IS NULL AND expires_at > ?"
    rows = list(database.query(query, (digest, now)))
    if not rows:
        raise refusal()
    (link,) = rows
    if link["purpose"] == "setup" and _owner_exists(database):
        raise refusal()
    tenant_id = link["tenant_id"]
    if link["user_id"] is not None:
        found = account(database, link["user_id"])
        if found is None or found.user.status != "active":
            raise refusal()
        tenant_id = found.user.tenant_id
    if tenant_id is not None:
        tenants = list(database.query("SELECT status FROM tenants WHERE id = ?", (tenant_id,)))
        if tenants[0]["status"] != "active":
            raise suspended()
    return link


def _join(
    database: sqlite_utils.Database, link: dict[str, Any], person: tuple[Any, Any, str], now: str
) -> str:
    email, name, password_hash = person
    if accounts(database, "users.email = ?", email):
        raise Conflict("There is an account with this e-mail address already.")
    user_id = new_id()
    database.conn.execute(
        "INSERT INTO users (id, tenant_id, email, name, role, password_hash, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (user_id, link["tenant_id"], email, name, link["role"] or "owner", password_hash, now),
    )
    return user_id


def _set_password(database: sqlite_utils.Database, user_id: str, password_hash: str, now: str) -> None:
    database.conn.execute("UPDATE users SET password_hash = ? WHERE id = ?", (password_hash, user_id))
    end_sessions(database, user_id, now)


def _owner_exists(database: sqlite_utils.Database) -> bool:
    return bool(accounts(database, "users.role = 'owner'"))
