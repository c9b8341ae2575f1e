"""From a credential's holder to a principal, as the database knows the holder at this moment. Layer 2.

Each function raises `AuthenticationFailed` for a holder that is gone, suspended or revoked, and
`TenantSuspended` for one whose tenant has been stopped. They run inside `Database.read`.
"""

from __future__ import annotations

from typing import Any

import sqlite_utils

from aura_local.accounts.api_keys import ApiKey
from aura_local.accounts.moments import unix_s
from aura_local.accounts.permissions import ROLES
from aura_local.accounts.principal import Principal
from aura_local.accounts.refusal import refusal, suspended
from aura_local.accounts.users import account


def user_principal(
    database: sqlite_utils.Database, user_id: str, epoch: int, expires_at: float | None
) -> Principal:
    """A person who holds a credential of `epoch`."""
    found = account(database, user_id)
    if found is None or found.user.status != "active" or found.user.epoch != epoch:
        raise refusal()
    if not found.tenant_active:
        raise suspended()
    user = found.user
    return Principal(
        kind="user",
        id=user.id,
        tenant_id=user.tenant_id,
        role=user.role,
        permissions=ROLES[user.role],
        label=user.name,
        epoch=epoch,
        expires_at=expires_at,
    )


def key_principal(database: sqlite_utils.Database, key: ApiKey, now: str) -> Principal:
    """The bearer of an API key whose row is `key`; `now` as `stamp` writes it."""
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise refusal()
    _require_active(database, key.tenant_id)
    return Principal(
        kind="key",
        id=key.id,
        tenant_id=key.tenant_id,
        role="service",
        permissions=key.scopes,
        label=key.label,
        expires_at=None if key.expires_at is None else unix_s(key.expires_at),
    )


def visitor_principal(
    database: sqlite_utils.Database,
    session_id: str,
    *,
    tenant_id: str,
    widget_id: str | None,
    origin: str | None,
    expires_at: float | None,
) -> Principal:
    """A visitor of a widget or kiosk, or without one of a tenant's public page."""
    label = "visitor"
    if widget_id is None:
        if not _require_active(database, tenant_id)["public_page"]:
            raise refusal()
    else:
        widgets = list(
            database.query(
                "SELECT label FROM widgets WHERE id = ? AND tenant_id = ? AND revoked_at IS NULL",
                (widget_id, tenant_id),
            )
        )
        if not widgets:
            raise refusal()
        _require_active(database, tenant_id)
        label = widgets[0]["label"]
    return Principal(
        kind="visitor",
        id=session_id,
        tenant_id=tenant_id,
        role="visitor",
        permissions=ROLES["visitor"],
        label=label,
        expires_at=expires_at,
        origin=origin,
        widget_id=widget_id,
    )


def _require_active(database: sqlite_utils.Database, tenant_id: str) -> dict[str, Any]:
    tenants = list(database.query("SELECT status, public_page FROM tenants WHERE id = ?", (tenant_id,)))
    if not tenants:
        raise refusal()
    if tenants[0]["status"] != "active":
        raise suspended()
    return tenants[0]
