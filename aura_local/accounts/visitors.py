"""Visitors: the sites, kiosks and public pages whose visitors may talk, and the tokens for them. Layer 2.

A visitor's token is short-lived, good for one session, and on one web origin where there is one. It
reaches no further than `ROLES["visitor"]`: talking about documents for the public, without memory.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import sqlite_utils

from aura_local.accounts.holders import visitor_principal
from aura_local.accounts.moments import Now, stamp, utc_now
from aura_local.accounts.principal import Principal
from aura_local.accounts.random_secrets import digest_of, looks_like_secret, new_id, new_secret
from aura_local.accounts.refusal import refusal, suspended
from aura_local.accounts.signed_tokens import VISITOR_AUDIENCE, Claims, SignedTokens
from aura_local.accounts.signing_keys import SigningKeys
from aura_local.accounts.written_names import checked_label
from aura_local.errors import InvalidRequest, NotFound, PermissionDenied
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.database import Database

WidgetKind = Literal["widget", "kiosk"]

ORIGINS_LIMIT: Final = 20
_ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?|https?://\[[0-9a-f:]{2,39}\](:[0-9]{1,5})?")
_ORIGIN_RULE = "An origin is scheme, host and port alone, such as https://example.org."
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Widget:
    """A site or kiosk of a tenant. Times are UTC, ISO 8601."""

    id: str
    tenant_id: str
    kind: WidgetKind
    label: str
    origins: tuple[str, ...]
    """Where a widget may be embedded; nowhere if empty. A kiosk has none: its secret speaks for it."""
    created_at: str
    revoked_at: str | None
    secret: str | None = field(default=None, repr=False)
    """What a kiosk enrols with; only in the answer to `add_widget`."""


@dataclass(frozen=True, slots=True)
class VisitorToken:
    """For one visitor's session."""

    token: str = field(repr=False)
    expires_in_s: int
    session_id: str


class Visitors:
    """Widgets and kiosks of all tenants, and the tokens of their visitors. Changes are durable on return."""

    def __init__(self, database: Database, keys: SigningKeys, *, now: Now = utc_now) -> None:
        self._database = database
        self._tokens = SignedTokens(keys, now=now)
        self._lifetime_s = keys.lifetimes.visitor_s
        self._now = now

    async def add_widget(
        self,
        tenant_id: str,
        kind: WidgetKind,
        label: str,
        origins: tuple[str, ...] | list[str] = (),
        *,
        also: AlsoWrite | None = None,
    ) -> Widget:
        """Let the visitors of a site or kiosk talk.

        Raises `NotFound` for an unknown tenant, and `InvalidRequest` for an impossible label, for anything
        but exact web origins, and for origins of a kiosk.
        """
        if kind not in ("widget", "kiosk") or len(origins) > ORIGINS_LIMIT or (kind == "kiosk" and origins):
            raise InvalidRequest(
                f"There are widgets, with up to {ORIGINS_LIMIT} origins, and kiosks, with none."
            )
        secret = new_secret() if kind == "kiosk" else None
        digest = None if secret is None else digest_of(secret)
        exact = tuple(dict.fromkeys(map(checked_origin, origins)))
        created_at = stamp(self._now())
        widget = Widget(new_id(), tenant_id, kind, checked_label(label), exact, created_at, None, secret)

        def insert(database: sqlite_utils.Database) -> None:
            if not list(database.query("SELECT 1 FROM tenants WHERE id = ?", (tenant_id,))):
                raise NotFound("There is no such tenant.")
            database.conn.execute(
                "INSERT INTO widgets (id, tenant_id, kind, label, origins, digest, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (widget.id, tenant_id, kind, widget.label, json.dumps(exact), digest, created_at),
            )
            if also is not None:
                also(database, widget.id)

        await self._database.write(insert)
        return widget

    async def widgets(self, tenant_id: str) -> list[Widget]:
        """A tenant's widgets and kiosks, oldest first, revoked ones included."""
        return await self._database.read(lambda database: _widgets(database, "tenant_id = ?", tenant_id))

    async def revoke_widget(self, tenant_id: str, widget_id: str, *, also: AlsoWrite | None = None) -> None:
        """End it and all its visitors' tokens for good; a second time changes nothing.

        Raises `NotFound` for another tenant's.
        """
        revoked_at = stamp(self._now())

        def revoke(database: sqlite_utils.Database) -> None:
            found = _widgets(database, "tenant_id = ? AND id = ?", tenant_id, widget_id)
            if not found:
                raise NotFound("There is no such widget.")
            if found[0].revoked_at is None:
                database.conn.execute(
                    "UPDATE widgets SET revoked_at = ? WHERE id = ?", (revoked_at, widget_id)
                )
                if also is not None:
                    also(database, widget_id)

        await self._database.write(revoke)

    async def token_for_widget(self, widget_id: str, origin: str | None) -> VisitorToken:
        """For a visitor of a page of `origin`, as the browser names it.

        Raises `NotFound` for an unknown or revoked widget, `PermissionDenied` for a page that is not on
        its list, and `TenantSuspended`.
        """
        found = await self._database.read(
            lambda database: _widgets(database, "id = ? AND kind = 'widget'", widget_id)
        )
        if not found or found[0].revoked_at is not None:
            raise NotFound("There is no such widget.")
        if origin is None or origin not in found[0].origins:
            raise PermissionDenied("This widget may not be used on this site; add its origin to the widget.")
        return await self._token(found[0].tenant_id, widget_id, origin)

    async def token_for_kiosk(self, secret: str) -> VisitorToken:
        """For a visitor at an enrolled kiosk. Raises `AuthenticationFailed`, `TenantSuspended`."""
        if not looks_like_secret(secret):
            raise refusal()
        digest = digest_of(secret)
        found = await self._database.read(
            lambda database: _widgets(database, "digest = ? AND kind = 'kiosk'", digest)
        )
        if not found or found[0].revoked_at is not None:
            raise refusal()
        return await self._token(found[0].tenant_id, found[0].id, None)

    async def token_for_public_page(self, tenant_id: str) -> VisitorToken:
        """For a visitor of a tenant's own page.

        Raises `NotFound` unless the tenant has one, and `TenantSuspended`.
        """
        query = "SELECT status FROM tenants WHERE id = ? AND public_page = 1"
        found = await self._database.read(lambda database: list(database.query(query, (tenant_id,))))
        if not found:
            raise NotFound("There is no such public page.")
        if found[0]["status"] != "active":
            raise suspended()
        return await self._token(tenant_id, None, None)

    async def _token(self, tenant_id: str, widget_id: str | None, origin: str | None) -> VisitorToken:
        session_id = new_id()
        claims = {"tid": tenant_id, "wid": widget_id, "org": origin, "sid": session_id}
        await self._database.read(
            lambda database: visitor_principal(
                database, session_id, tenant_id=tenant_id, widget_id=widget_id, origin=origin, expires_at=None
            )
        )
        token = await self._tokens.sign(VISITOR_AUDIENCE, session_id, claims)
        return VisitorToken(token, self._lifetime_s, session_id)


def checked_origin(written: str) -> str:
    """An exact web origin as browsers write it, `https://example.org:8443`. Raises `InvalidRequest`."""
    origin = written.strip().lower()
    if _ORIGIN.fullmatch(origin) is None:
        raise InvalidRequest(_ORIGIN_RULE)
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError as error:
        raise InvalidRequest(_ORIGIN_RULE) from error
    if port is not None and port == _DEFAULT_PORTS[parts.scheme]:
        return origin.rpartition(":")[0]
    return origin


async def visitor_from(database: Database, claims: Claims) -> Principal:
    """The visitor behind verified claims. Raises `AuthenticationFailed`, `TenantSuspended`."""
    tenant_id, widget_id, origin = (claims.more.get(name) for name in ("tid", "wid", "org"))
    if claims.audience != VISITOR_AUDIENCE or not isinstance(tenant_id, str):
        raise refusal()
    if not (isinstance(widget_id, str | None) and isinstance(origin, str | None)):
        raise refusal()
    if claims.more.get("sid") != claims.subject:
        raise refusal()
    return await database.read(
        lambda connection: visitor_principal(
            connection,
            claims.subject,
            tenant_id=tenant_id,
            widget_id=widget_id,
            origin=origin,
            expires_at=claims.expires_at,
        )
    )


def _widgets(database: sqlite_utils.Database, condition: str, *parameters: str | bytes) -> list[Widget]:
    query = (
        "SELECT id, tenant_id, kind, label, origins, created_at, revoked_at FROM widgets "  # noqa: S608
        f"WHERE {condition} ORDER BY created_at, id"
    )
    return [_from_row(row) for row in database.query(query, parameters)]


def _from_row(row: dict[str, Any]) -> Widget:
    return replace(Widget(**row), origins=tuple(json.loads(row["origins"])))
