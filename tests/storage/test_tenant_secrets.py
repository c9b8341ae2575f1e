"""A secret comes back to whoever may read it, and is found in no file, archive, message or listing."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlcipher3.dbapi2 as sqlcipher

from aura_local.errors import InvalidRequest, NotFound
from aura_local.storage.key_rotation import rotate_tenant
from aura_local.storage.tenant_export import export_tenant
from aura_local.storage.tenant_import import import_tenant
from aura_local.storage.tenant_secrets import LONGEST_VALUE_BYTES, SecretName, TenantSecrets
from tests.storage.filled_home import MASTER, OTHER_MASTER, files_with, opened
from tests.storage.plain_pages import plain_pages

pytestmark = pytest.mark.anyio

VALUE = "sk-kingfisher-7041"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def test_what_was_put_is_read_replaced_and_removed(tmp_path: Path) -> None:
    async with opened(tmp_path) as home:
        tenant, other = await home.tenant("Museum", "heron"), await home.tenant("Zoo", "stork")
        async with home.leases.lease(tenant.id) as handle, home.leases.lease(other.id) as elsewhere:
            secrets = TenantSecrets(handle.database, now=lambda: NOON)
            await secrets.put("openai", "sk-1")
            await secrets.put("elevenlabs", "sk-2")
            await secrets.put("openai", VALUE)
            assert await secrets.read("openai") == VALUE
            stamp = "2026-11-23T12:00:00.000+00:00"
            assert await secrets.names() == [SecretName("elevenlabs", stamp), SecretName("openai", stamp)]
            assert await TenantSecrets(elsewhere.database).names() == []
            with pytest.raises(NotFound):
                await TenantSecrets(elsewhere.database).read("openai")
            await secrets.remove("openai")
            for act in (secrets.read, secrets.remove):
                with pytest.raises(NotFound):
                    await act("openai")
        key = await home.catalog.tenant_key(tenant.id)
        file = home.leases.folder(tenant.id) / "tenant.sqlite"
    assert b"sk-2" in plain_pages(file, key)  # the search below would see it
    assert VALUE.encode() not in plain_pages(file, key)


@pytest.mark.parametrize(
    ("name", "good"),
    [("a", True), ("0.a_b-c", True), ("a" * 64, True), ("a" * 65, False), ("", False)]
    + [(name, False) for name in ("A", "-a", ".a", "a b", "a/b", "a\n", "ä", "a'")],
)
async def test_names(tmp_path: Path, name: str, good: bool) -> None:
    async with opened(tmp_path) as home:
        tenant = await home.catalog.create_tenant("Museum")
        async with home.leases.lease(tenant.id) as handle:
            secrets = TenantSecrets(handle.database)
            if good:
                await secrets.put(name, VALUE)
            else:
                with pytest.raises(InvalidRequest) as raised:
                    await secrets.put(name, VALUE)
                assert VALUE not in raised.value.message
            assert [secret.name for secret in await secrets.names()] == [name] * good


@pytest.mark.parametrize(
    ("value", "good"),
    [("x", True), ("x" * LONGEST_VALUE_BYTES, True), ("x" * (LONGEST_VALUE_BYTES + 1), False)]
    + [("ä" * (LONGEST_VALUE_BYTES // 2), True), ("ä" * (LONGEST_VALUE_BYTES // 2) + "x", False)]
    + [(value, False) for value in ("", "two\nlines", "\0", "\x7f", "\ud800")],
    ids=lambda value: ascii(value)[:12],
)
async def test_values(tmp_path: Path, value: str, good: bool) -> None:
    async with opened(tmp_path) as home:
        tenant = await home.catalog.create_tenant("Museum")
        async with home.leases.lease(tenant.id) as handle:
            secrets = TenantSecrets(handle.database)
            if good:
                await secrets.put("openai", value)
                assert await secrets.read("openai") == value
            else:
                with pytest.raises(InvalidRequest) as raised:
                    await secrets.put("openai", value)
                assert len(value) < 2 or value not in raised.value.message
                assert await secrets.names() == []


async def test_a_secret_is_in_no_file_log_or_repr(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with opened(tmp_path) as home:
            tenant = await home.tenant("Museum", "heron")
            async with home.leases.lease(tenant.id) as handle:
                secrets = TenantSecrets(handle.database)
                await secrets.put("openai", VALUE)
                shown = repr((secrets, await secrets.names(), handle, handle.database))
                assert files_with(tmp_path, VALUE.encode()) == []  # with the log of the database still there
            key = await home.catalog.tenant_key(tenant.id)
            file = home.leases.folder(tenant.id) / "tenant.sqlite"
    assert VALUE.encode() in plain_pages(file, key)
    assert files_with(tmp_path, VALUE.encode()) == []
    assert VALUE not in shown + caplog.text + "".join(capfd.readouterr())


async def test_a_secret_is_still_read_under_a_new_key(tmp_path: Path) -> None:
    async with opened(tmp_path, MASTER) as home:
        tenant = await home.tenant("Museum", "heron")
        async with home.leases.lease(tenant.id) as handle:
            await TenantSecrets(handle.database).put("openai", VALUE)
        await rotate_tenant(home.catalog, home.leases, tenant.id)
        async with home.leases.lease(tenant.id) as handle:
            assert await TenantSecrets(handle.database).read("openai") == VALUE
    assert files_with(tmp_path, VALUE.encode()) == []


async def test_no_archive_takes_a_secret_along_and_none_brings_one(tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    async with opened(tmp_path / "one") as home:
        tenant = await home.tenant("Museum", "heron")
        async with home.leases.lease(tenant.id) as handle:
            await TenantSecrets(handle.database).put("openai", VALUE)
            await export_tenant(handle, home.catalog, archive)
    content = archive.read_bytes()
    assert b"heron" in content  # what is in the archive is not encrypted
    assert VALUE.encode() not in content
    assert b'"secrets"' in content  # said in the manifest
    async with opened(tmp_path / "two", OTHER_MASTER) as home:
        twin = await import_tenant(home.catalog, home.leases, archive, "Twin")
        async with home.leases.lease(twin.id) as handle:
            assert await TenantSecrets(handle.database).names() == []


async def test_secrets_in_an_archive_from_elsewhere_are_left_out(tmp_path: Path) -> None:
    from tests.storage.test_tenant_archive import Members, rewritten

    def add_secret(members: Members) -> None:
        plain = tmp_path / "plain.sqlite"
        plain.write_bytes(members["tenant.sqlite"])
        connection = sqlcipher.connect(str(plain), isolation_level=None)
        connection.execute("INSERT INTO secrets VALUES ('openai', 'sk-of-a-stranger', '')")
        connection.close()
        members["tenant.sqlite"] = plain.read_bytes()

    archive = tmp_path / "archive.zip"
    async with opened(tmp_path / "one") as home:
        tenant = await home.tenant("Museum", "heron")
        async with home.leases.lease(tenant.id) as handle:
            await export_tenant(handle, home.catalog, archive)
        rewritten(archive, add_secret)
        assert b"sk-of-a-stranger" in archive.read_bytes()
        twin = await import_tenant(home.catalog, home.leases, archive, "Twin")
        async with home.leases.lease(twin.id) as handle:
            assert await TenantSecrets(handle.database).names() == []
