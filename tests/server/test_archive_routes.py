"""A tenant leaves by HTTP and comes back under another name; backups go where the settings say."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.server.people import Platform, open_platform

pytestmark = pytest.mark.anyio

TEXT = b"The museum opens at nine."


@pytest.fixture
async def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    async with open_platform(tmp_path, backup_folder=tmp_path / "backups") as opened:
        yield opened
    assert list((tmp_path / "temporary").iterdir()) == [], "an archive was left behind, unencrypted"


@pytest.fixture
async def owner(platform: Platform) -> httpx.AsyncClient:
    return await platform.signed_in(None, "owner", "owner@platform.example")


async def with_document(platform: Platform, name: str) -> tuple[str, httpx.AsyncClient]:
    """A tenant with one document; its id, and a client of its administrator."""
    tenant = await platform.tenant(name)
    admin = await platform.signed_in(tenant, "admin", f"admin@{tenant.id}.example")
    await _upload(admin)
    return tenant.id, admin


async def _upload(client: httpx.AsyncClient) -> None:
    form = {"file": ("hours.txt", TEXT)}
    answer = await client.post("/api/documents/upload", params={"wait": "true"}, files=form)
    assert answer.status_code == 201, answer.text


async def test_a_tenant_is_exported_and_imported(platform: Platform, owner: httpx.AsyncClient) -> None:
    tenant_id, admin = await with_document(platform, "Alder Abbey")
    archive = await owner.post(f"/api/tenants/{tenant_id}/archive")
    assert archive.status_code == 200
    assert archive.headers["content-disposition"].startswith("attachment")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as members:
        assert "manifest.json" in members.namelist()
        assert any(members.read(name) == TEXT for name in members.namelist())
    own = await admin.post("/api/tenant/archive")
    assert own.status_code == 200
    imported = await owner.post(
        "/api/archives", params={"name": "Alder Again"}, files={"file": ("tenant.zip", archive.content)}
    )
    assert imported.status_code == 201, imported.text
    again = imported.json()["id"]
    assert again != tenant_id
    async with platform.engine.leases.lease(again) as handle:
        (record,) = await platform.engine.ingestion.list(handle)
        assert (record.name, record.status) == ("hours.txt", "indexed")
        assert await handle.blobs.read(record.sha256) == TEXT
    assert (await platform.actions(tenant_id)).count("tenant.exported") == 2
    assert "tenant.imported" in await platform.actions(again)
    assert "tenant.imported" in await platform.actions("platform")


async def test_what_is_no_archive_makes_no_tenant(platform: Platform, owner: httpx.AsyncClient) -> None:
    before = (await owner.get("/api/tenants")).json()
    for content, status in ((b"no archive at all", 422), (b"", 400)):
        answer = await owner.post(
            "/api/archives", params={"name": "Nobody"}, files={"file": ("tenant.zip", content)}
        )
        assert answer.status_code == status, answer.text
    assert (await owner.get("/api/tenants")).json() == before


async def test_an_archive_over_the_limit_is_refused(tmp_path: Path) -> None:
    async with open_platform(tmp_path, limits__archive_bytes=1_000) as platform:
        owner = await platform.signed_in(None, "owner", "owner@platform.example")
        answer = await owner.post(
            "/api/archives", params={"name": "Large"}, files={"file": ("tenant.zip", bytes(1_001))}
        )
        assert answer.status_code == 413


async def test_a_key_is_rotated_while_the_tenant_works(platform: Platform, owner: httpx.AsyncClient) -> None:
    tenant_id, admin = await with_document(platform, "Birch Bakery")
    before = await platform.engine.catalog.tenant_key(tenant_id)
    assert (await owner.post(f"/api/tenants/{tenant_id}/key-rotation")).status_code == 204
    assert await platform.engine.catalog.tenant_key(tenant_id) != before
    (document,) = (await admin.get("/api/documents")).json()["documents"]
    assert (await admin.get(f"/api/documents/{document['id']}/original")).content == TEXT
    assert "tenant.key_rotated" in await platform.actions(tenant_id)


async def test_a_backup_goes_below_the_folder_that_is_set(
    platform: Platform, owner: httpx.AsyncClient, tmp_path: Path
) -> None:
    await with_document(platform, "Cedar Clinic")
    answer = await owner.post("/api/backups", json={"name": "nightly"})
    assert answer.status_code == 201, answer.text
    assert (tmp_path / "backups" / "nightly" / "manifest.json").is_file()
    for name in ("../nightly", "a/b", "", ".hidden"):
        assert (await owner.post("/api/backups", json={"name": name})).status_code == 400
    assert (await owner.post("/api/backups", json={"name": "nightly"})).status_code == 409


async def test_without_a_folder_there_are_no_backups(tmp_path: Path) -> None:
    async with open_platform(tmp_path) as platform:
        owner = await platform.signed_in(None, "owner", "owner@platform.example")
        answer = await owner.post("/api/backups", json={"name": "nightly"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


async def test_the_owner_sees_what_a_tenant_has_used(platform: Platform, owner: httpx.AsyncClient) -> None:
    tenant_id, admin = await with_document(platform, "Dahlia Dental")
    own = (await admin.get("/api/usage", params={"by": "kind"})).json()["usage"]
    assert {row["kind"]: row["amount"] for row in own}["document_bytes"] == len(TEXT)
    assert (await owner.get(f"/api/tenants/{tenant_id}/usage", params={"by": "kind"})).json()["usage"] == own
    table = await owner.get(f"/api/tenants/{tenant_id}/usage", headers={"accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert "document_bytes" in table.text
