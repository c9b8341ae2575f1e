"""The audit log over HTTP: every act is in it, and it shows when it was tampered with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from secrets import token_hex
from typing import Any

import httpx
import pytest
import sqlite_utils

from aura_local.audit.chain import PLATFORM
from aura_local.audit.entries import GENESIS
from aura_local.storage.catalog import Tenant
from tests.server.people import PASSWORD, SITE, Platform, settled

pytestmark = pytest.mark.anyio


@pytest.fixture
async def tenant(platform: Platform) -> Tenant:
    return await platform.tenant(token_hex(4))


@pytest.fixture
async def admin(platform: Platform, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    async with await platform.signed_in(tenant, "admin", f"ada@{tenant.name}.example") as client:
        yield client


async def test_every_act_is_in_the_log(platform: Platform, tenant: Tenant, admin: httpx.AsyncClient) -> None:
    mel = await platform.person(tenant, "member", f"mel@{tenant.name}.example")
    secrets: list[str] = [PASSWORD, mel.email, "my label"]

    async def act(method: str, path: str, **options: Any) -> Any:
        answer = await admin.request(method, path, **options)
        assert answer.is_success, answer.text
        body = answer.json() if answer.content and "json" in answer.headers["content-type"] else {}
        secrets.extend(str(body[name]) for name in ("key", "secret", "access_token") if body.get(name))
        return body

    await act("POST", "/api/login", json={"email": mel.email, "password": PASSWORD})
    await act("POST", "/api/users", json={"email": f"new@{tenant.name}.example", "role": "viewer"})
    await act("PATCH", f"/api/users/{mel.id}", json={"role": "viewer"})
    await act("PATCH", f"/api/users/{mel.id}", json={"status": "suspended"})
    await act("PATCH", f"/api/users/{mel.id}", json={"status": "active"})
    await act("POST", f"/api/users/{mel.id}/password-reset")
    await act("DELETE", f"/api/users/{mel.id}")
    key = await act("POST", "/api/keys", json={"label": "my label"})
    await act("POST", f"/api/keys/{key['id']}/rotation", json={"overlap_s": 60})
    await act("DELETE", f"/api/keys/{key['id']}")
    widget = await act("POST", "/api/widgets", json={"kind": "widget", "origins": [SITE]})
    await act("DELETE", f"/api/widgets/{widget['id']}")
    document_id = await settled(admin, "hours.txt", b"Open at nine.")
    await act("PATCH", f"/api/documents/{document_id}", json={"audience": "public"})
    await act("DELETE", f"/api/documents/{document_id}")
    await act("GET", "/api/usage", headers={"accept": "text/csv"})
    exported = await admin.get("/api/audit/export")

    expected = [
        ("login", mel.id),
        ("user.invited", None),
        ("user.role_changed", mel.id),
        ("user.suspended", mel.id),
        ("user.resumed", mel.id),
        ("user.password_reset", mel.id),
        ("user.removed", mel.id),
        ("key.created", key["id"]),
        ("key.rotated", None),
        ("key.revoked", key["id"]),
        ("widget.created", widget["id"]),
        ("widget.revoked", widget["id"]),
        ("policy.changed", document_id),
        ("document.deleted", document_id),
        ("usage.exported", tenant.id),
        ("audit.exported", tenant.id),
    ]
    entries = (await admin.get("/api/audit?limit=1000")).json()["entries"]
    assert [entry["action"] for entry in entries] == [action for action, _ in expected]
    for entry, (_, subject) in zip(entries, expected, strict=True):
        assert subject is None or entry["subject"] == subject
    me = (await admin.get("/api/me")).json()
    assert {entry["actor"] for entry in entries} == {f"user:{me['id']}", f"user:{mel.id}"}
    assert entries[0]["previous"] == GENESIS.hex()
    assert not [secret for secret in secrets if secret in json.dumps(entries)]

    lines = [json.loads(line) for line in exported.text.splitlines()]
    assert exported.headers["content-disposition"].startswith("attachment")
    assert [line["digest"] for line in lines] == [entry["digest"] for entry in entries]
    state = (await admin.get("/api/audit/verification")).json()
    assert state == {
        "entries": len(entries),
        "head": entries[-1]["digest"],
        "broken_at": None,
        "reason": "",
    }


async def test_pages_and_bounds(platform: Platform, tenant: Tenant, admin: httpx.AsyncClient) -> None:
    log = platform.engine.audit_log(tenant.id)
    for number in range(5):
        await log.append("system", "policy.changed", f"subject {number}")
    page = (await admin.get("/api/audit?after=1&limit=2")).json()["entries"]
    assert [entry["sequence"] for entry in page] == [2, 3]
    assert (await admin.get("/api/audit?after=999999999999999")).json() == {"entries": []}
    assert len((await admin.get("/api/audit?limit=0")).json()["entries"]) == 0
    for query in ("after=-1", "after=x", "limit=1e3", f"after={'9' * 16}", "after=", "limit=%00"):
        assert (await admin.get(f"/api/audit?{query}")).status_code == 400


async def test_a_changed_entry_and_a_strange_head_are_told(
    platform: Platform, tenant: Tenant, admin: httpx.AsyncClient
) -> None:
    log = platform.engine.audit_log(tenant.id)
    for number in range(3):
        await log.append("system", "policy.changed", f"subject {number}")
    head = (await admin.get("/api/audit/verification")).json()["head"]
    await log.append("system", "policy.changed", "later")
    good = (await admin.get("/api/audit/verification", params={"head": head})).json()
    assert (good["entries"], good["broken_at"]) == (4, None)
    strange = (await admin.get("/api/audit/verification", params={"head": "0" * 63 + "1"})).json()
    assert strange["broken_at"] == 5

    def tamper(database: sqlite_utils.Database) -> None:
        database.execute("DROP TRIGGER audit_entries_are_final")
        database.execute(
            "UPDATE audit_entries SET actor = 'nobody' WHERE chain = ? AND sequence = 2", [tenant.id]
        )

    await platform.engine.catalog.database.write(tamper)
    broken = (await admin.get("/api/audit/verification")).json()
    assert (broken["broken_at"], broken["entries"]) == (2, 1)
    assert "changed" in broken["reason"]


async def test_the_owner_reads_the_platforms_log_alone(
    platform: Platform, tenant: Tenant, admin: httpx.AsyncClient
) -> None:
    await platform.engine.audit_log(tenant.id).append("system", "policy.changed", "tenant's own")
    await platform.engine.audit_log(PLATFORM).append("system", "policy.changed", "platform's own")
    owner = await platform.signed_in(None, "owner", f"{token_hex(4)}@platform.example")
    async with owner:
        theirs = await owner.get("/api/audit?limit=1000")
        assert "platform's own" in theirs.text
        assert "tenant's own" not in theirs.text
    ours = await admin.get("/api/audit?limit=1000")
    assert "tenant's own" in ours.text
    assert "platform's own" not in ours.text
