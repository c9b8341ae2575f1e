"""No body can say whose something is, who made it or when: every route that takes JSON refuses it whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from aura_server.app import all_operations
from pydantic import BaseModel

from tests.server.matrix_scene import everything_of
from tests.server.people import SITE, Platform, settled

pytestmark = pytest.mark.anyio

FORBIDDEN = {
    "tenant_id": "0" * 16,
    "tenant": "another",
    "id": "0" * 16,
    "user_id": "0" * 16,
    "owner": "user:0000000000000000",
    "created_at": "2020-01-01T00:00:00Z",
    "role": "owner",
    "epoch": 0,
    "password_hash": "$argon2id$",
    "permissions": ["platform.manage"],
    "digest": "00",
    "__class__": "Principal",
}

GOOD: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/login"): {"email": "x@y.example", "password": "correct horse battery"},
    ("POST", "/api/refresh"): {"refresh_token": "x" * 43},
    ("POST", "/api/logout"): {"refresh_token": "x" * 43},
    ("POST", "/api/links"): {"secret": "x" * 43, "password": "correct horse battery"},
    ("POST", "/api/visitors"): {"page": "{tenant_id}"},
    ("POST", "/api/me/password"): {"old": "correct horse battery", "new": "another horse battery"},
    ("POST", "/api/chat"): {"question": "When?"},
    ("PATCH", "/api/documents/{document_id}"): {"audience": "public"},
    ("POST", "/api/users"): {"email": "x@y.example", "role": "viewer"},
    ("PATCH", "/api/users/{user_id}"): {"status": "suspended"},
    ("POST", "/api/keys"): {"label": "more"},
    ("POST", "/api/keys/{key_id}/rotation"): {"overlap_s": 0},
    ("POST", "/api/widgets"): {"kind": "widget", "origins": [SITE]},
    ("PUT", "/api/secrets/{secret_name}"): {"value": "sk-1"},
    ("POST", "/api/models/use"): {"name": "espeak-ng"},
    ("POST", "/api/tenants"): {"name": "One More"},
    ("PATCH", "/api/tenants/{tenant_id}"): {"public_page": True},
    ("PATCH", "/api/tenant"): {"public_page": True},
    ("POST", "/api/backups"): {"name": "one"},
    ("POST", "/api/tenants/{tenant_id}/users"): {"email": "x@y.example", "role": "viewer"},
}
"""Bodies that each route would take."""

SWITCHED_OFF = {("POST", "/api/oidc/finish")}
"""Looks at no body without an identity provider."""


@dataclass
class Target:
    platform: Platform
    admin: httpx.AsyncClient
    owner: httpx.AsyncClient
    ids: dict[str, str]

    async def state(self) -> dict[str, Any]:
        tenant = await self.platform.engine.catalog.tenant(self.ids["tenant_id"])
        tenants = await self.platform.engine.catalog.tenants()
        return await everything_of(self.platform, tenant) | {"tenants": tenants}


@pytest.fixture(scope="module")
async def target(platform: Platform) -> AsyncIterator[Target]:
    tenant = await platform.tenant("Target")
    member = await platform.person(tenant, "member", "mel@target.example")
    key = await platform.engine.accounts.api_keys.issue(tenant.id, "target")
    async with (
        await platform.signed_in(tenant, "admin", "ada@target.example") as admin,
        await platform.signed_in(None, "owner", "olga@target.example") as owner,
    ):
        document_id = await settled(admin, "hours.txt", b"Open at nine.")
        ids = {"tenant_id": tenant.id, "user_id": member.id, "key_id": key.id, "document_id": document_id}
        ids["secret_name"] = "provider"
        yield Target(platform, admin, owner, ids)


def test_every_route_with_a_body_is_here(platform: Platform) -> None:
    bodies = {
        (operation.method, operation.path): operation.body
        for operation in all_operations(platform.engine)
        if isinstance(operation.body, type) and issubclass(operation.body, BaseModel)
    }
    assert set(bodies) == set(GOOD) | SWITCHED_OFF
    assert {model.model_config.get("extra") for model in bodies.values()} == {"forbid"}


@pytest.mark.parametrize("key", GOOD, ids=" ".join)
async def test_what_is_not_for_the_client_to_say(target: Target, key: tuple[str, str]) -> None:
    method, path = key
    client = (
        target.owner if path.startswith(("/api/tenants", "/api/backups", "/api/models")) else target.admin
    )
    model = next(
        operation.body
        for operation in all_operations(target.platform.engine)
        if (operation.method, operation.path) == key
    )
    assert isinstance(model, type)
    body = {
        name: value.format(**target.ids) if isinstance(value, str) else value
        for name, value in GOOD[key].items()
    }
    before = await target.state()
    for name, value in FORBIDDEN.items():
        if name in model.model_fields:
            continue
        answer = await client.request(method, path.format(**target.ids), json=body | {name: value})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request"), name
        assert answer.json()["error"]["message"].startswith(name)
    assert await target.state() == before
