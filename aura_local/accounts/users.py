"""A person, as the platform's file knows them. Layer 2."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import sqlite_utils

from aura_local.accounts.permissions import UserRole

UserStatus = Literal["active", "suspended"]


@dataclass(frozen=True, slots=True)
class User:
    """One person of one tenant, or one of the platform's owners. Times are UTC, ISO 8601."""

    id: str
    tenant_id: str | None
    """None for an owner of the platform."""
    email: str = field(repr=False)
    name: str = field(repr=False)
    role: UserRole
    status: UserStatus
    has_password: bool
    epoch: int
    """Raised to end every token issued so far."""
    created_at: str
    last_login_at: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """A person with what only signing in may know."""

    user: User
    password_hash: str | None = field(repr=False)
    tenant_active: bool
    """True for owners, who have no tenant."""


def accounts(database: sqlite_utils.Database, condition: str, *parameters: str | None) -> list[Account]:
    """The people that a condition on `users` holds for, in the order in which they came."""
    query = (
        "SELECT users.*, coalesce(tenants.status, 'active') AS tenant_status "  # noqa: S608
        f"FROM users LEFT JOIN tenants ON tenants.id = users.tenant_id WHERE {condition} "
        "ORDER BY users.created_at, users.id"
    )
    return [_from_row(row) for row in database.query(query, parameters)]


def account(database: sqlite_utils.Database, user_id: str) -> Account | None:
    """The person with this id."""
    found = accounts(database, "users.id = ?", user_id)
    return found[0] if found else None


def end_sessions(database: sqlite_utils.Database, user_id: str, revoked_at: str) -> None:
    """Every token that the person holds is void from the end of this transaction on."""
    database.conn.execute("UPDATE users SET epoch = epoch + 1 WHERE id = ?", (user_id,))
    database.conn.execute(
        "UPDATE refresh_tokens SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL",
        (revoked_at, user_id),
    )


def _from_row(row: dict[str, Any]) -> Account:
    user = User(
        id=row["id"],
        tenant_id=row["tenant_id"],
        email=row["email"],
        name=row["name"],
        role=row["role"],
        status=row["status"],
        has_password=row["password_hash"] is not None,
        epoch=row["epoch"],
        created_at=row["created_at"],
        last_login_at=row["last_login_at"],
    )
    return Account(user, row["password_hash"], row["tenant_status"] == "active")
