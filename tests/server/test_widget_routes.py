"""Sites, kiosks and public pages, and what their visitors may see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any, TypeAlias

import httpx
import pytest

from aura_local.storage.catalog import Tenant
from tests.server.people import OTHER_SITE, SITE, Platform, settled
from tests.server.withdrawal import LIMIT_S, seconds_until_withdrawn

pytestmark = pytest.mark.anyio
MUSEUM = b"The museum opens at nine every day.\n"
VAULT = b"The museum opens at nine with the vault code of the museum, which is seven one four.\n"
Furnished: TypeAlias = tuple[Tenant, httpx.AsyncClient, httpx.AsyncClient]
ABOUT_BOTH = ("What is the vault code of the museum?", "Every day the museum opens at what hour?")


@asynccontextmanager
async def furnished(platform: Platform) -> AsyncIterator[Furnished]:
    """A tenant with one document for everybody and one for its people; its admin, and nobody."""
    name = token_hex(4)
    tenant = await platform.tenant(name)
    async with (
        await platform.signed_in(tenant, "admin", f"ada@{name}.example") as admin,
        platform.client() as anonymous,
    ):
        await settled(admin, "hours.txt", MUSEUM, "public")
        await settled(admin, "vault.txt", VAULT)
        yield tenant, admin, anonymous


async def stored_words(platform: Platform, tenant: Tenant) -> list[int]:
    async with platform.engine.leases.lease(tenant.id) as handle:
        return await handle.database.read(
            lambda database: [
                database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("sessions", "turns")
            ]
        )


async def cited(client: httpx.AsyncClient, origin: str | None = None) -> set[str]:
    """The documents that answers to questions about both are drawn from."""
    headers = {} if origin is None else {"origin": origin}
    found: set[str] = set()
    for question in ABOUT_BOTH:
        answer = await client.post("/api/chat", json={"question": question}, headers=headers)
        assert answer.status_code == 200, answer.text
        found |= {citation["document"] for citation in answer.json()["citations"]}
    return found


async def test_visitors_see_what_is_public_and_are_not_remembered(platform: Platform) -> None:
    async with furnished(platform) as (tenant, admin, anonymous):
        assert await cited(admin) == {"hours.txt", "vault.txt"}
        widget = (await admin.post("/api/widgets", json={"kind": "widget", "origins": [SITE]})).json()
        kiosk = (await admin.post("/api/widgets", json={"kind": "kiosk", "label": "hall"})).json()
        await platform.engine.catalog.set_public_page(tenant.id, True)
        before = await stored_words(platform, tenant)
        ways: list[tuple[dict[str, Any], str | None]] = [
            ({"widget": widget["id"]}, SITE),
            ({"kiosk": kiosk["secret"]}, None),
            ({"page": tenant.id}, None),
        ]
        for body, origin in ways:
            headers = {} if origin is None else {"origin": origin}
            answer = await anonymous.post("/api/visitors", json=body, headers=headers)
            assert (answer.status_code, answer.json()["expires_in_s"]) == (201, 600)
            async with platform.client(answer.json()["token"]) as visitor:
                assert await cited(visitor, origin) == {"hours.txt"}
                first = await visitor.post("/api/chat", json={"question": "When?"}, headers=headers)
                again = {"question": "And then?", "session_id": first.json()["session_id"]}
                assert (await visitor.post("/api/chat", json=again, headers=headers)).status_code == 404
                assert (await visitor.get("/api/documents", headers=headers)).status_code == 403
        assert await stored_words(platform, tenant) == before


async def test_a_widget_works_on_its_own_site_alone(platform: Platform) -> None:
    async with furnished(platform) as (_, admin, anonymous):
        made = await admin.post("/api/widgets", json={"kind": "widget", "origins": [SITE.upper(), SITE]})
        assert (made.status_code, made.json()["origins"], made.json()["secret"]) == (201, [SITE], None)
        nowhere = (await admin.post("/api/widgets", json={"kind": "widget"})).json()
        body = {"widget": made.json()["id"]}
        for origin in (OTHER_SITE, f"{SITE}.evil.example", f"{SITE}:8443", "null", ""):
            refused = await anonymous.post("/api/visitors", json=body, headers={"origin": origin})
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
        assert (await anonymous.post("/api/visitors", json=body)).status_code == 403
        on_site = {"origin": SITE}
        empty_list = await anonymous.post("/api/visitors", json={"widget": nowhere["id"]}, headers=on_site)
        assert empty_list.status_code == 403
        unknown = await anonymous.post("/api/visitors", json={"widget": "0" * 16}, headers=on_site)
        assert unknown.status_code == 404

        token = (await anonymous.post("/api/visitors", json=body, headers=on_site)).json()["token"]
        async with platform.client(token) as visitor:
            assert (await visitor.get("/api/me", headers=on_site)).json()["kind"] == "visitor"
            assert (await visitor.get("/api/me", headers={"origin": OTHER_SITE})).status_code == 401
            assert (await visitor.get("/api/me")).status_code == 401


async def test_a_kiosk_needs_its_secret_which_is_shown_once(platform: Platform) -> None:
    async with furnished(platform) as (_, admin, anonymous):
        kiosk = (await admin.post("/api/widgets", json={"kind": "kiosk", "label": "hall"})).json()
        listing = await admin.get("/api/widgets")
        assert kiosk["secret"] not in listing.text
        assert [(one["id"], one["secret"]) for one in listing.json()["widgets"]] == [(kiosk["id"], None)]
        for secret in ("x" * 43, "", kiosk["id"]):
            assert (await anonymous.post("/api/visitors", json={"kiosk": secret})).status_code == 401
        by_id = await anonymous.post("/api/visitors", json={"widget": kiosk["id"]}, headers={"origin": SITE})
        assert by_id.status_code == 404


async def test_a_public_page_is_off_until_it_is_on(platform: Platform) -> None:
    owner = await platform.signed_in(None, "owner", f"{token_hex(4)}@platform.example")
    async with owner, furnished(platform) as (tenant, _, anonymous):
        body, path = {"page": tenant.id}, f"/api/tenants/{tenant.id}"
        closed, unknown = [
            await anonymous.post("/api/visitors", json=page) for page in (body, {"page": "0" * 16})
        ]
        assert (closed.status_code, closed.content) == (unknown.status_code, unknown.content)
        assert closed.status_code == 404
        assert (await owner.patch(path, json={"public_page": True})).json()["public_page"] is True
        token = (await anonymous.post("/api/visitors", json=body)).json()["token"]

        async def close() -> None:
            assert (await owner.patch(path, json={"public_page": False})).json()["public_page"] is False

        assert await seconds_until_withdrawn(platform, token, close) <= LIMIT_S
        assert (await anonymous.post("/api/visitors", json=body)).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "widget", "origins": ["*"]},
        {"kind": "widget", "origins": ["https://*.example"]},
        {"kind": "widget", "origins": ["https://shop.example/path"]},
        {"kind": "widget", "origins": ["shop.example"]},
        {"kind": "widget", "origins": ["null"]},
        {"kind": "widget", "origins": ["https://user@shop.example"]},
        {"kind": "widget", "origins": ["https://shop.example:99999"]},
        {"kind": "widget", "origins": ["https://shop.example"] * 33},
        {"kind": "kiosk", "origins": ["https://shop.example"]},
        {"kind": "page"},
        {"kind": "widget", "label": "x" * 101},
    ],
)
async def test_widgets_that_are_refused(platform: Platform, body: dict[str, Any]) -> None:
    tenant = await platform.tenant(token_hex(4))
    async with platform.client(await platform.key(tenant, "widgets.manage")) as client:
        assert (await client.post("/api/widgets", json=body)).status_code == 400
        assert (await client.get("/api/widgets")).json() == {"widgets": []}
    assert await platform.actions(tenant.id) == []


async def test_a_revoked_widget_ends_its_visitors(platform: Platform) -> None:
    async with furnished(platform) as (tenant, admin, anonymous):
        widget = (await admin.post("/api/widgets", json={"kind": "widget", "origins": [SITE]})).json()
        answer = await anonymous.post(
            "/api/visitors", json={"widget": widget["id"]}, headers={"origin": SITE}
        )

        async def revoke() -> None:
            assert (await admin.delete(f"/api/widgets/{widget['id']}")).status_code == 204

        token = answer.json()["token"]
        assert await seconds_until_withdrawn(platform, token, revoke, origin=SITE) <= LIMIT_S
        gone = await anonymous.post("/api/visitors", json={"widget": widget["id"]}, headers={"origin": SITE})
        assert gone.status_code == 404
    assert await platform.actions(tenant.id) == ["widget.created", "widget.revoked"]
