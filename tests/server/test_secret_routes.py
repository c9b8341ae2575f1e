"""The secrets of a tenant over HTTP: stored, named, removed, and never shown."""

from __future__ import annotations

import logging
from secrets import token_hex

import pytest

from aura_local.storage.tenant_secrets import LONGEST_VALUE_BYTES, TenantSecrets
from tests.server.people import Platform

pytestmark = pytest.mark.anyio

VALUE = "sk-kingfisher-7041"


async def test_a_secret_is_kept_and_no_answer_log_or_entry_holds_it(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    tenant = await platform.tenant("Secrets")
    async with await platform.signed_in(tenant, "admin", "ada@secrets.example") as admin:
        with caplog.at_level(logging.DEBUG):
            for value in ("sk-former", VALUE):
                stored = await admin.put("/api/secrets/openai", json={"value": value})
                assert (stored.status_code, stored.content) == (204, b"")
            listing = await admin.get("/api/secrets")
            audit = await admin.get("/api/audit")
        (shown,) = listing.json()["secrets"]
        assert (set(shown), shown["name"]) == ({"name", "updated_at"}, "openai")
        assert VALUE not in listing.text + audit.text + caplog.text
        assert (await admin.get("/api/secrets/openai")).status_code == 404  # there is no such route
        async with platform.engine.leases.lease(tenant.id) as handle:
            assert await TenantSecrets(handle.database).read("openai") == VALUE
        assert (await admin.delete("/api/secrets/openai")).status_code == 204
        assert (await admin.delete("/api/secrets/openai")).status_code == 404
        assert (await admin.get("/api/secrets")).json() == {"secrets": []}
    assert await platform.actions(tenant.id) == ["secret.stored", "secret.stored", "secret.removed"]


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("openai", {"value": "x" * LONGEST_VALUE_BYTES}, 204),
        ("openai", {"value": "x" * (LONGEST_VALUE_BYTES + 1)}, 400),
        ("openai", {"value": VALUE + "\n"}, 400),
        ("openai", {"value": ""}, 400),
        ("openai", {"values": VALUE}, 400),
        ("openai", {}, 400),
        ("a" * 64, {"value": "x"}, 204),
        ("a" * 65, {"value": VALUE}, 400),
        ("OpenAI", {"value": VALUE}, 400),
        ("open%20ai", {"value": VALUE}, 400),
    ],
)
async def test_what_may_be_stored(platform: Platform, name: str, body: dict[str, str], status: int) -> None:
    tenant = await platform.tenant(f"Bounds {token_hex(4)}")
    admin = await platform.signed_in(tenant, "admin", f"{token_hex(4)}@bounds.example")
    async with admin:
        answer = await admin.put(f"/api/secrets/{name}", json=body)
        assert answer.status_code == status, answer.text
        assert VALUE not in answer.text


async def test_no_key_can_have_the_scope(platform: Platform) -> None:
    tenant = await platform.tenant("No Scope")
    async with await platform.signed_in(tenant, "admin", "ada@scope.example") as admin:
        assert (await admin.post("/api/keys", json={"scopes": ["secrets.manage"]})).status_code == 400
