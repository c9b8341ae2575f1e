"""A server, its identity provider, and a browser that signs in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from aura_server.app import create_app
from aura_server.oidc_routes import OidcStart

from aura_local.accounts.id_tokens import Identity
from aura_local.accounts.identified import Identified
from aura_local.engine import Engine
from tests.server.conftest import client_for
from tests.server.serving import serving
from tests.support.engine import open_scripted_engine
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, REDIRECT_URL, IdentityProvider


@dataclass
class World:
    """A server, its provider, and Ada of the museum, who has an account."""

    engine: Engine
    client: httpx.AsyncClient
    provider: IdentityProvider
    tenant_id: str
    ada: str

    async def begin(self) -> OidcStart:
        answer = await self.client.post("/api/oidc/start")
        assert answer.status_code == 200, answer.text
        return OidcStart.model_validate(answer.json())

    async def come_back(self, started: OidcStart) -> dict[str, str]:
        """What the page finds in its address after the provider has sent the browser back."""
        answer = await self.client.get(started.url)
        assert answer.status_code == 307
        return {
            name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()
        }

    async def finish(self, **sent: str) -> httpx.Response:
        return await self.client.post("/api/oidc/finish", json=sent)

    async def sign_in(self) -> httpx.Response:
        started = await self.begin()
        return await self.finish(**await self.come_back(started), secret=started.secret)

    async def entries(self, chain: str) -> list[tuple[str, str, str, Any]]:
        found = await self.engine.audit_log(chain).entries(limit=1000)
        return [(one.actor, one.action, one.subject, one.details) for one in found]


@asynccontextmanager
async def open_world(folder: Path, **settings: object) -> AsyncIterator[World]:
    secret = folder / "secret"
    secret.touch(0o600)
    secret.write_text(f"{CLIENT_SECRET}\n")
    provider = IdentityProvider()
    async with serving(provider.app()) as provider_port:
        provider.issuer = f"http://127.0.0.1:{provider_port}"
        configured: dict[str, Any] = {
            "oidc__issuer": provider.issuer,
            "oidc__client_id": CLIENT_ID,
            "oidc__client_secret_file": secret,
            "oidc__redirect_url": REDIRECT_URL,
        }
        async with open_scripted_engine(folder, **(configured | settings)) as engine:
            tenant = await engine.catalog.create_tenant("Museum")
            ada = await Identified(engine.catalog.database).join(
                tenant.id, Identity("ada@museum.example", "Ada"), "member"
            )
            pages = folder / "ui"
            pages.mkdir()
            app = create_app(engine, pages=pages)
            async with (
                serving(app, engine.settings.limits) as port,
                client_for(f"http://127.0.0.1:{port}", None) as client,
            ):
                yield World(engine, client, provider, tenant.id, ada.id)
