"""A platform with an owner and tenants with people, and one of every kind of credential there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
from argon2 import PasswordHasher
from aura_server.app import create_app
from starlette.applications import Starlette

from aura_local.accounts.access_tokens import sign_access_token
from aura_local.accounts.api_keys import ApiKeys
from aura_local.accounts.links import Links
from aura_local.accounts.passwords import Passwords
from aura_local.accounts.permissions import ROLES, USUAL_SCOPES, Permission, UserRole
from aura_local.accounts.signed_tokens import SignedTokens
from aura_local.accounts.signing_keys import SigningKeys
from aura_local.accounts.users import User
from aura_local.engine import Engine
from aura_local.storage.catalog import Tenant
from tests.server.serving import serving
from tests.support.engine import open_scripted_engine

PASSWORD = "correct horse battery"
SITE = "https://shop.example"
"""Where the widget is embedded."""
OTHER_SITE = "https://intranet.example"
"""May open sockets here, but has no widget."""

_CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@dataclass(frozen=True, slots=True)
class Credential:
    """Something to present, and what it should be worth."""

    name: str
    value: str | None
    permissions: frozenset[Permission] | None = None
    """None: it leads to nobody."""
    origin: str | None = None
    suspended: bool = False
    """Good, but of a tenant that has been stopped."""
    of_platform: bool = False


@dataclass(frozen=True)
class Platform:
    """A served platform; in-process clients and a port for sockets."""

    engine: Engine
    app: Starlette
    port: int

    @property
    def sockets(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def client(self, credential: str | None = None, *, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """Speaks to the application without a network, as if from `address`."""
        headers = {} if credential is None else {"authorization": f"Bearer {credential}"}
        transport = httpx.ASGITransport(self.app, client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)

    async def tenant(self, name: str) -> Tenant:
        return await self.engine.catalog.create_tenant(name)

    async def person(self, tenant: Tenant | None, role: UserRole, email: str) -> User:
        """Somebody who has joined, with `PASSWORD`."""
        links = Links(self.engine.catalog.database, passwords=_CHEAP)
        invitation = await links.invite(None if tenant is None else tenant.id, email, role)
        return await links.redeem(invitation.secret, password=PASSWORD, name=email.partition("@")[0])

    async def token(self, user: User) -> str:
        return (await self.engine.accounts.logins.login_as(user.id)).access_token

    async def signed_in(self, tenant: Tenant | None, role: UserRole, email: str) -> httpx.AsyncClient:
        return self.client(await self.token(await self.person(tenant, role, email)))

    async def key(self, tenant: Tenant, *scopes: Permission) -> str:
        granted = frozenset(scopes) or USUAL_SCOPES
        return (await self.engine.accounts.api_keys.issue(tenant.id, "tests", scopes=granted)).key

    async def actions(self, chain: str) -> list[str]:
        """What the audit log of a tenant, or of the platform, holds."""
        return [entry.action for entry in await self.engine.audit_log(chain).entries(limit=1_000)]


@asynccontextmanager
async def open_platform(folder: Path, **settings: Any) -> AsyncIterator[Platform]:
    """Limits that count refusals per address are out of the way: here everybody has one address."""
    generous: dict[str, Any] = {
        "limits__failed_logins_per_minute": 1_000_000,
        "limits__anonymous_requests_per_minute": 1_000_000,
        "limits__sessions": 1_000,
        "limits__sessions_per_tenant": 1_000,
        "limits__sessions_per_user": 1_000,
        "limits__sessions_per_address": 1_000,
        "server__allowed_origins": (SITE, OTHER_SITE),
    }
    pages = folder / "ui"
    pages.mkdir(parents=True)
    async with open_scripted_engine(folder, **(generous | settings)) as engine:
        app = create_app(engine, pages=pages)
        async with serving(app) as port:
            yield Platform(engine, app, port)


async def every_credential(platform: Platform, tenant: Tenant, stopped: Tenant) -> list[Credential]:
    """One of every kind, of `tenant`, of `stopped`, which is suspended by this, and of the platform."""
    engine, database = platform.engine, platform.engine.catalog.database
    accounts = engine.accounts
    past = datetime.now(UTC) - timedelta(days=1)
    people = {role: await platform.person(tenant, role, f"{role}@one.example") for role in _TENANT_ROLES}
    owner = await platform.person(None, "owner", "owner@platform.example")
    suspended = await platform.person(tenant, "admin", "suspended@one.example")
    suspended_token = await platform.token(suspended)
    await accounts.directory.set_status(tenant.id, suspended.id, "suspended")
    left_behind = await platform.person(stopped, "admin", "admin@stopped.example")
    left_behind_token, left_behind_key = await platform.token(left_behind), await platform.key(stopped)
    expired_key = await ApiKeys(database, now=lambda: past).issue(
        tenant.id, "expired", expires_at=past + timedelta(hours=1)
    )
    revoked_key = await accounts.api_keys.issue(tenant.id, "revoked")
    await accounts.api_keys.revoke(tenant.id, revoked_key.id)
    expired_token = await sign_access_token(
        SignedTokens(SigningKeys(database), now=lambda: past), people["admin"]
    )
    widget = await accounts.visitors.add_widget(tenant.id, "widget", "shop", [SITE])
    kiosk = await accounts.visitors.add_widget(tenant.id, "kiosk", "hall")
    assert kiosk.secret is not None
    visitor = (await accounts.visitors.token_for_widget(widget.id, SITE)).token
    await engine.catalog.set_public_page(tenant.id, True)
    page_visitor = (await accounts.visitors.token_for_public_page(tenant.id)).token
    used_ticket = accounts.tickets.issue(await engine.authenticate(await platform.token(people["admin"])))
    await engine.authenticate(used_ticket)
    await engine.catalog.set_status(stopped.id, "suspended")
    visits = ROLES["visitor"]
    return [
        Credential("anonymous", None),
        Credential("malformed", "aura_this is no key"),
        Credential("unknown key", f"aura_{'0' * 12}_{'x' * 43}"),
        *[Credential(role, await platform.token(people[role]), ROLES[role]) for role in _TENANT_ROLES],
        Credential("usual key", await platform.key(tenant), USUAL_SCOPES),
        Credential("suspended user", suspended_token),
        Credential("user of a suspended tenant", left_behind_token, suspended=True),
        Credential("key of a suspended tenant", left_behind_key, suspended=True),
        Credential("expired token", expired_token),
        Credential("expired key", expired_key.key),
        Credential("revoked key", revoked_key.key),
        Credential("widget visitor", visitor, visits, origin=SITE),
        Credential("widget visitor elsewhere", visitor, origin=OTHER_SITE),
        Credential("widget visitor without a page", visitor),
        Credential("kiosk visitor", (await accounts.visitors.token_for_kiosk(kiosk.secret)).token, visits),
        Credential("page visitor", page_visitor, visits),
        Credential("used ticket", used_ticket),
        Credential("owner", await platform.token(owner), ROLES["owner"], of_platform=True),
    ]


async def single_scope_keys(platform: Platform, tenant: Tenant) -> list[Credential]:
    """A key for every scope that keys can have, with that alone."""
    return [
        Credential(f"key with {scope}", await platform.key(tenant, scope), frozenset({scope}))
        for scope in sorted(ROLES["service"])
    ]


async def settled(client: httpx.AsyncClient, name: str, content: bytes, audience: str = "members") -> str:
    """The id of a document that has been uploaded and indexed."""
    path = f"/api/documents/upload?wait=true&audience={audience}"
    with anyio.fail_after(20):
        document = (await client.post(path, files={"file": (name, content)})).json()
    assert document["status"] == "indexed", document
    return str(document["id"])


_TENANT_ROLES: tuple[UserRole, ...] = ("admin", "member", "viewer")
