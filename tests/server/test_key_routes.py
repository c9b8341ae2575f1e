"""The API keys of a tenant over HTTP: made, rotated, revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from secrets import token_hex

import pytest

from aura_local.accounts.permissions import USUAL_SCOPES
from tests.server.people import Platform
from tests.server.withdrawal import LIMIT_S, seconds_until_withdrawn

pytestmark = pytest.mark.anyio


async def test_a_key_is_shown_once_and_does_what_its_scopes_say(platform: Platform) -> None:
    tenant = await platform.tenant("Keys")
    admin = await platform.signed_in(tenant, "admin", "ada@keys.example")
    expires_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    async with admin:
        usual = await admin.post("/api/keys", json={"label": "usual"})
        body = {"label": "reader", "scopes": ["documents.read"], "expires_at": expires_at}
        reader = await admin.post("/api/keys", json=body)
        assert (usual.status_code, reader.status_code) == (201, 201)
        listing = await admin.get("/api/keys")
        keys = {key["label"]: key for key in listing.json()["keys"]}
        assert keys["usual"]["scopes"] == sorted(USUAL_SCOPES)
        assert (keys["reader"]["scopes"], keys["usual"]["expires_at"]) == (["documents.read"], None)
        assert keys["reader"]["expires_at"].startswith(expires_at[:19])
        assert keys["reader"]["last_used_at"] is None
        async with platform.client(reader.json()["key"]) as client:
            assert (await client.get("/api/documents")).status_code == 200
            assert (await client.post("/api/chat", json={"question": "When?"})).status_code == 403
        listing = await admin.get("/api/keys")
        assert next(key for key in listing.json()["keys"] if key["label"] == "reader")["last_used_at"]
        for issued in (usual, reader):
            assert issued.json()["key"] not in listing.text
    assert await platform.actions(tenant.id) == ["key.created", "key.created"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"scopes": ["platform.manage"]}, 400),
        ({"scopes": ["account.manage"]}, 400),
        ({"scopes": ["everything"]}, 400),
        ({"scopes": []}, 400),
        ({"label": "x" * 101}, 400),
        ({"label": "a\x00b"}, 400),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 400),
        ({"expires_at": "2099-01-01T00:00:00"}, 400),
        ({"expires_at": "9999-12-31T23:59:59-23:00"}, 400),
        ({"expires_at": "0001-01-01T00:00:00+23:00"}, 400),
    ],
)
async def test_keys_that_are_refused(platform: Platform, body: dict[str, object], status: int) -> None:
    tenant = await platform.tenant(token_hex(4))
    async with platform.client(await platform.key(tenant, "keys.manage")) as client:
        assert (await client.post("/api/keys", json={"scopes": ["keys.manage"]} | body)).status_code == status
    assert await platform.actions(tenant.id) == []


async def test_a_key_makes_no_key_that_can_do_more(platform: Platform) -> None:
    tenant = await platform.tenant("No More")
    strong = await platform.key(tenant)
    strong_id = (await platform.engine.authenticate(strong)).id
    async with platform.client(await platform.key(tenant, "keys.manage")) as client:
        more = await client.post("/api/keys", json={"scopes": ["keys.manage", "documents.read"]})
        # The successor's secret is shown to whoever rotates.
        rotated = await client.post(f"/api/keys/{strong_id}/rotation", json={"overlap_s": 3600})
        assert [answer.status_code for answer in (more, rotated)] == [403, 403]
    async with platform.client(strong) as client:
        assert (await client.get("/api/documents")).status_code == 200
    assert len(await platform.engine.accounts.api_keys.of_tenant(tenant.id)) == 2
    assert await platform.actions(tenant.id) == []


async def test_rotation_overlaps(platform: Platform) -> None:
    tenant = await platform.tenant("Rotation")
    admin = await platform.signed_in(tenant, "admin", "ada@rotation.example")
    async with admin:
        first = (await admin.post("/api/keys", json={"label": "robot"})).json()
        path = f"/api/keys/{first['id']}/rotation"
        for overlap_s in (-1, 7 * 24 * 3600 + 1, 2**63):
            assert (await admin.post(path, json={"overlap_s": overlap_s})).status_code == 400
        second = (await admin.post(path, json={"overlap_s": 7 * 24 * 3600})).json()
        for key in (first, second):
            async with platform.client(key["key"]) as client:
                assert (await client.get("/api/me")).json()["label"] == "robot"
        third = (await admin.post(f"/api/keys/{second['id']}/rotation", json={})).json()
        over = await admin.post(f"/api/keys/{second['id']}/rotation", json={})
        assert (third["id"] != second["id"], over.status_code) == (True, 409)
    assert await platform.actions(tenant.id) == ["key.created", "key.rotated", "key.rotated"]


async def test_a_revoked_key_is_out_within_a_second(platform: Platform) -> None:
    tenant = await platform.tenant("Revoking")
    admin = await platform.signed_in(tenant, "admin", "ada@revoking.example")
    async with admin:
        key = (await admin.post("/api/keys", json={})).json()

        async def revoke() -> None:
            assert (await admin.delete(f"/api/keys/{key['id']}")).status_code == 204

        assert await seconds_until_withdrawn(platform, key["key"], revoke) <= LIMIT_S
        await revoke()  # a second time changes nothing
        (shown,) = (await admin.get("/api/keys")).json()["keys"]
        assert shown["revoked_at"]
    assert await platform.actions(tenant.id) == ["key.created", "key.revoked"]
