"""The platform's tenants over HTTP, as its owner runs them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from secrets import token_hex
from typing import Any

import httpx
import pytest

from aura_local.audit.chain import PLATFORM
from tests.server.people import PASSWORD, Platform
from tests.server.withdrawal import LIMIT_S, seconds_until_withdrawn

pytestmark = pytest.mark.anyio


@pytest.fixture
async def owner(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    async with await platform.signed_in(None, "owner", f"{token_hex(4)}@platform.example") as client:
        yield client


async def made(owner: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await owner.post("/api/tenants", json={"name": token_hex(4)} | body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_the_life_of_a_tenant(platform: Platform, owner: httpx.AsyncClient) -> None:
    name = token_hex(4)
    tenant = await made(owner, name=name, tier="pro")
    assert (tenant["name"], tenant["tier"], tenant["status"], tenant["public_page"]) == (
        name,
        "pro",
        "active",
        False,
    )
    path = f"/api/tenants/{tenant['id']}"
    assert (await owner.get(path)).json() == tenant
    assert tenant in (await owner.get("/api/tenants")).json()["tenants"]
    taken = await owner.post("/api/tenants", json={"name": name})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "conflict")

    changed = await owner.patch(path, json={"name": f"{name} II", "tier": None, "public_page": True})
    assert changed.json() == tenant | {"name": f"{name} II", "tier": None, "public_page": True}
    assert (await owner.delete(path)).status_code == 204
    assert (await owner.get(path)).status_code == 404
    assert await platform.actions(tenant["id"]) == [
        "tenant.created",
        "tenant.renamed",
        "tenant.tier_changed",
        "policy.changed",
        "tenant.erased",
    ]
    entries = await platform.engine.audit_log(PLATFORM).entries(limit=1_000)
    acts = [entry.action for entry in entries if entry.subject == tenant["id"]]
    assert acts == ["tenant.created", "tenant.erased"]


@pytest.mark.parametrize("role", ["admin", "viewer"])
async def test_the_first_people_are_invited_by_the_owner(
    platform: Platform, owner: httpx.AsyncClient, role: str
) -> None:
    tenant = await made(owner)
    body = {"email": f"{token_hex(4)}@first.example", "role": role}
    link = (await owner.post(f"/api/tenants/{tenant['id']}/users", json=body)).json()
    refused = await owner.post(f"/api/tenants/{tenant['id']}/users", json=body | {"role": "owner"})
    assert refused.status_code == 403
    async with platform.client() as anonymous:
        redeem = {"secret": link["secret"], "password": PASSWORD, "name": "First"}
        tokens = (await anonymous.post("/api/links", json=redeem)).json()
    async with platform.client(tokens["access_token"]) as person:
        me = (await person.get("/api/me")).json()
        assert (me["tenant_id"], me["tenant"], me["role"]) == (tenant["id"], tenant["name"], role)
        assert (await person.get(f"/api/tenants/{tenant['id']}")).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"tier": "no such tier"},
        {"name": "new name", "tier": "no such tier"},
        {"name": "new name", "status": "erased"},
        {"name": "new/name", "public_page": True},
        {"name": "x" * 65},
        {"name": " padded "},
        {"name": "", "status": "suspended"},
        {"public_page": "yes please", "status": "suspended"},
    ],
)
async def test_a_change_that_is_refused_changes_nothing(
    platform: Platform, owner: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    tenant = await made(owner)
    answer = await owner.patch(f"/api/tenants/{tenant['id']}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert (await owner.get(f"/api/tenants/{tenant['id']}")).json() == tenant
    assert await platform.actions(tenant["id"]) == ["tenant.created"]
    assert (await owner.post("/api/tenants", json={"name": token_hex(4)} | body)).status_code == 400


async def test_a_name_that_is_taken_changes_nothing_else(
    platform: Platform, owner: httpx.AsyncClient
) -> None:
    first, second = await made(owner), await made(owner)
    body = {"name": first["name"], "tier": "free", "status": "suspended", "public_page": True}
    assert (await owner.patch(f"/api/tenants/{second['id']}", json=body)).status_code == 409
    assert (await owner.get(f"/api/tenants/{second['id']}")).json() == second


async def test_a_suspended_tenant_is_out_within_a_second(
    platform: Platform, owner: httpx.AsyncClient
) -> None:
    tenant = await platform.tenant(token_hex(4))
    key, path = await platform.key(tenant), f"/api/tenants/{tenant.id}"
    person = await platform.person(tenant, "admin", f"{token_hex(4)}@stopped.example")

    async def suspend() -> None:
        assert (await owner.patch(path, json={"status": "suspended"})).json()["status"] == "suspended"

    assert await seconds_until_withdrawn(platform, key, suspend) <= LIMIT_S
    async with platform.client(key) as client:
        refused = await client.get("/api/documents")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "tenant_suspended")
        login = await client.post("/api/login", json={"email": person.email, "password": PASSWORD})
        assert (login.status_code, login.json()["error"]["code"]) == (403, "tenant_suspended")
        assert (await owner.patch(path, json={"status": "active"})).json()["status"] == "active"
        assert (await client.get("/api/documents")).json() == {"documents": []}
    assert await platform.actions(tenant.id) == ["tenant.suspended", "tenant.resumed"]
