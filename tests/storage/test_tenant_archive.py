"""An archive brings back the same tenant elsewhere; anything else makes nothing."""

# ruff: noqa: ASYNC240 - a test has the loop to itself
from __future__ import annotations

import hashlib
import io
import json
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import sqlcipher3.dbapi2 as sqlcipher

from aura_local.errors import Conflict, InvalidRequest, UnreadableInput
from aura_local.storage.tenant_export import export_tenant
from aura_local.storage.tenant_import import import_tenant
from tests.storage.filled_home import OTHER_MASTER, files_with, opened

pytestmark = pytest.mark.anyio

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The archive of a tenant."""
    folder = tmp_path_factory.mktemp("exported")

    async def export() -> None:
        async with opened(folder / "one") as home:
            tenant = await home.tenant("Museum", "kingfisher")
            async with home.leases.lease(tenant.id) as handle:
                await export_tenant(handle, home.catalog, folder / "archive")

    anyio.run(export)
    return (folder / "archive").read_bytes()


@pytest.fixture
def archive(tmp_path: Path, exported: bytes) -> Path:
    path = tmp_path / "museum.aura"
    path.write_bytes(exported)
    return path


async def test_an_imported_tenant_is_the_same_under_other_keys(tmp_path: Path) -> None:
    async with opened(tmp_path / "one") as home:
        tenant = await home.tenant("Museum", "kingfisher")
        before, seen = await home.dump(tenant.id), list[tuple[int, int]]()
        async with home.leases.lease(tenant.id) as handle:
            receipt = await export_tenant(
                handle, home.catalog, tmp_path / "a", progress=lambda done, total: seen.append((done, total))
            )
            with pytest.raises(Conflict):
                await export_tenant(handle, home.catalog, tmp_path / "a")
        key = await home.catalog.tenant_key(tenant.id)
    assert seen == [(0, 1), (1, 1)]
    assert receipt.members == 6
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a", "one"]
    async with opened(tmp_path / "two", OTHER_MASTER) as home:
        twin = await import_tenant(home.catalog, home.leases, tmp_path / "a", "Twin")
        assert await home.dump(twin.id) == before
        assert before["search"]
        assert before["usage_totals"][0]["amount"] == 3
        assert twin.id != tenant.id
        assert await home.catalog.tenant_key(twin.id) != key
        assert list((tmp_path / "two" / "imports").iterdir()) == []
        assert not list((tmp_path / "two").rglob("removable"))
        with pytest.raises(Conflict):
            await import_tenant(home.catalog, home.leases, tmp_path / "a", "Twin")
        with pytest.raises(InvalidRequest):
            await import_tenant(home.catalog, home.leases, tmp_path / "a", "../x")
        async with home.leases.lease(twin.id) as handle:  # every page is under the new key, nothing is plain
            assert files_with(tmp_path / "two", b"kingfisher") == []


async def test_an_archive_can_be_read_without_the_product(exported: bytes) -> None:
    archive = zipfile.ZipFile(io.BytesIO(exported))
    manifest = json.loads(archive.read("manifest.json"))
    assert "encryption keys" in manifest["not_included"]
    assert "people" in manifest["not_included"]
    for member in manifest["members"]:
        content = archive.read(member["name"])
        assert hashlib.sha256(content).hexdigest() == member["sha256"]
        assert len(content) == member["size_bytes"]
    (conversation,) = json.loads(archive.read("conversations.json"))
    assert conversation["turns"][0]["user_text"] == "kingfisher"
    assert conversation["turns"][0]["citations"] == [{"passage": 3}]
    assert json.loads(archive.read("documents.json"))[0]["name"] == "kingfisher"
    assert json.loads(archive.read("usage.json"))[0]["amount"] == 3
    assert json.loads(archive.read("audit.json")) == []
    archive.close()


def rewritten(source: Path, change: Callable[[Members], None], *, describe: bool = True) -> None:
    """The archive with other members; with `describe`, a manifest that agrees with them."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    manifest = json.loads(members.pop("manifest.json"))
    if describe:
        manifest["members"] = [
            {"name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
        ]
    with zipfile.ZipFile(source, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr("manifest.json", json.dumps(manifest))


def lose_blob(members: Members) -> None:
    del members[next(name for name in members if name.startswith("blobs/"))]


def swap_blob(members: Members) -> None:
    members[next(name for name in members if name.startswith("blobs/"))] = b"other words"


def add(name: str) -> Callable[[Members], None]:
    return lambda members: members.update({name: b"x"})


def sql(*statements: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        path = Path(members["path"].decode())
        path.write_bytes(members["tenant.sqlite"])
        connection = sqlcipher.connect(str(path), isolation_level=None)
        for statement in statements:
            connection.execute(statement)
        connection.close()
        members["tenant.sqlite"] = path.read_bytes()

    return change


@pytest.mark.parametrize(
    ("change", "describe"),
    [
        (lose_blob, True),
        (lose_blob, False),
        (swap_blob, True),
        (swap_blob, False),
        (add("blobs/../../../escaped"), True),
        (add("/etc/escaped"), True),
        (add("..\\escaped"), True),
        (add("blobs/" + "0" * 64), True),
        (add("surplus"), False),
        (lambda members: members.update({"tenant.sqlite": b"SQLite format 3\0" + bytes(5000)}), True),
        (lambda members: members.update({"tenant.sqlite": members["tenant.sqlite"][:-4096]}), True),
        (lambda members: members.update({"tenant.sqlite": b""}), True),
        (lambda members: members.update({"manifest.json": b'{"format": "x", "members": []}'}), True),
        (lambda members: members.update({"manifest.json": b"[1]"}), False),
        (lambda members: members.update({"documents.json": b"[]"}), False),
        (sql("CREATE TRIGGER t AFTER INSERT ON turns BEGIN DELETE FROM documents; END"), True),
        (sql("CREATE VIEW v AS SELECT * FROM turns"), True),
        (sql("INSERT INTO migrations (name, applied_at) VALUES ('9999_later', '')"), True),
        (sql("UPDATE passages SET document_id = 'none' WHERE id = 5"), True),
    ],
)
async def test_anything_else_is_refused_and_nothing_is_made(
    tmp_path: Path, archive: Path, change: Callable[[Members], None], describe: bool
) -> None:
    def with_path(members: Members) -> None:
        members["path"] = str(tmp_path / "plain").encode()
        change(members)
        del members["path"]

    rewritten(archive, with_path, describe=describe)
    await refused(tmp_path, archive)


async def refused(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "plain").unlink(missing_ok=True)
    async with opened(tmp_path / "two") as home:
        with pytest.raises(UnreadableInput):
            await import_tenant(home.catalog, home.leases, archive, "Twin")
        assert await home.catalog.tenants() == []
    assert not list((tmp_path / "two").glob("tenants/*"))
    assert not list((tmp_path / "two").glob("imports/*"))
    assert sorted(path.name for path in tmp_path.iterdir()) in (["museum.aura", "two"], ["two"])


async def test_damaged_zips_links_and_swollen_members_are_refused(tmp_path: Path, archive: Path) -> None:
    whole = archive.read_bytes()
    for damaged in (b"", b"PK", whole[: len(whole) // 2], whole[:5000] + bytes(64) + whole[5064:]):
        archive.write_bytes(damaged)
        await refused(tmp_path, archive)
    await refused(tmp_path, tmp_path / "missing")
    archive.write_bytes(whole)
    with zipfile.ZipFile(archive, "a") as twice, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile itself warns of the second member of a name
        twice.writestr("usage.json", b"[]")
    await refused(tmp_path, archive)
    for attributes, kind in ((stat.S_IFLNK | 0o777, zipfile.ZIP_STORED), (0, zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(archive, "w") as other:
            info = zipfile.ZipInfo("tenant.sqlite")
            info.external_attr = attributes << 16
            other.writestr(info, bytes(10**6), compress_type=kind)
            other.writestr("manifest.json", b"{}")
        await refused(tmp_path, archive)
