"""`aura tenant`: each act, what it leaves in the audit logs, and its typical errors."""

from __future__ import annotations

import zipfile
from pathlib import Path

import anyio
import pytest

from aura_local.data_home import open_data_home
from aura_local.settings_sources import load_settings
from tests.commands.invoking import Aura
from tests.storage.filled_home import Home


def fill(aura: Aura, name: str, canary: str) -> str:
    """A tenant with a document, a conversation, usage, a person and a key; its id."""

    async def fill() -> str:
        async with open_data_home(load_settings({}, aura.environment).values) as data:
            return (await Home(aura.home, data.catalog, data.leases).tenant(name, canary)).id

    return anyio.run(fill)


def dump(aura: Aura, tenant_id: str) -> dict[str, object]:
    """Everything that the tenant has."""

    async def read() -> dict[str, object]:
        async with open_data_home(load_settings({}, aura.environment).values) as data:
            return await Home(aura.home, data.catalog, data.leases).dump(tenant_id)

    return anyio.run(read)


def actions(aura: Aura, *chain: str) -> list[str]:
    """What the log of the platform, or with `--tenant NAME` of a tenant, has recorded; the chain is whole."""
    assert aura.json("audit", "verify", *chain)["broken_at"] is None
    entries = aura.json("audit", "list", *chain)["entries"]
    assert {entry["actor"] for entry in entries} <= {"operator:local"}
    return [entry["action"] for entry in entries]


@pytest.fixture
def elsewhere(tmp_path: Path, aura: Aura) -> Aura:
    """Another installation, with a data folder and a master key of its own."""
    return Aura(tmp_path / "elsewhere")


def test_every_change_shows_and_is_audited(aura: Aura) -> None:
    made = aura.json("tenant", "create", "Old Mill", "--tier", "free")
    assert (made["tier"], made["status"], made["public_page"]) == ("free", "active", False)
    assert aura.json("tenant", "rename", "Old Mill", "New Mill") == made | {"name": "New Mill"}
    assert aura.json("tenant", "suspend", "New Mill")["status"] == "suspended"
    assert aura.json("tenant", "resume", "New Mill")["status"] == "active"
    assert aura.json("tenant", "tier", "New Mill", "pro")["tier"] == "pro"
    assert aura.json("tenant", "tier", "New Mill", "default")["tier"] is None
    assert aura.json("tenant", "public-page", "New Mill", "on")["public_page"] is True
    assert "public page off" in aura("tenant", "public-page", "New Mill", "off").stdout
    assert actions(aura) == ["tenant.created"]
    assert actions(aura, "--tenant", "New Mill") == [
        "tenant.created",
        "tenant.renamed",
        "tenant.suspended",
        "tenant.resumed",
        "tenant.tier_changed",
        "tenant.tier_changed",
        "policy.changed",
        "policy.changed",
    ]


def test_a_suspended_tenant_is_listed_with_its_documents(aura: Aura) -> None:
    fill(aura, "Old Mill", "CANARY")
    aura("tenant", "suspend", "Old Mill")
    (listed,) = aura.json("tenant", "list")["tenants"]
    assert (listed["status"], listed["documents"]) == ("suspended", 1)
    assert "suspended" in aura("tenant", "list").stdout


def test_a_damaged_tenant_is_listed_as_such_beside_the_others(aura: Aura) -> None:
    damaged = fill(aura, "Old Mill", "CANARY")
    fill(aura, "Water Works", "CANARY")
    (aura.home / "tenants" / damaged / "tenant.sqlite").write_bytes(b"x" * 20_000)
    listed = {row["name"]: row for row in aura.json("tenant", "list")["tenants"]}
    assert listed["Old Mill"]["documents"] is None
    assert "Restore" in listed["Old Mill"]["quarantined"]
    assert (listed["Water Works"]["documents"], listed["Water Works"]["quarantined"]) == (1, None)
    shown = aura("tenant", "list")
    assert "quarantined" in shown.stdout
    assert "Restore" in shown.stderr


def test_wrong_names_and_tiers_change_nothing(aura: Aura) -> None:
    aura("tenant", "create", "Old Mill")
    aura("tenant", "create", "Water Works")
    assert aura.json("tenant", "rename", "Old Mill", "Water Works", code=1)["error"]["code"] == "conflict"
    assert aura.json("tenant", "rename", "Old Mill", "a/b", code=2)["error"]["code"] == "invalid_request"
    assert "enterprise, free, pro" in aura("tenant", "tier", "Old Mill", "gold", code=2).stderr
    assert "enterprise, free, pro" in aura("tenant", "create", "X", "--tier", "gold", code=2).stderr
    aura("tenant", "public-page", "Old Mill", "maybe", code=2)
    assert aura.json("tenant", "suspend", "Nobody", code=1)["error"]["code"] == "not_found"
    assert actions(aura, "--tenant", "Old Mill") == ["tenant.created"]
    assert actions(aura) == ["tenant.created", "tenant.created"]


def test_an_archive_is_the_same_tenant_on_another_machine(
    aura: Aura, elsewhere: Aura, tmp_path: Path
) -> None:
    tenant_id = fill(aura, "Old Mill", "CANARY")
    archive = tmp_path / "old-mill.zip"
    made = aura("tenant", "export", "Old Mill", "-o", str(archive))
    assert str(archive) in made.stdout
    assert "not encrypted" in made.stderr
    assert archive.stat().st_mode & 0o777 == 0o600
    assert b"CANARY" in zipfile.ZipFile(archive).read("conversations.json")
    imported = elsewhere.json("tenant", "import", str(archive), "--name", "Mill Abroad")
    assert imported["name"] == "Mill Abroad"
    assert imported["id"] != tenant_id
    before, after = dump(aura, tenant_id), dump(elsewhere, imported["id"])
    assert before == after
    assert actions(aura, "--tenant", "Old Mill") == ["tenant.exported"]
    assert actions(elsewhere) == ["tenant.imported"]
    assert actions(elsewhere, "--tenant", "Mill Abroad") == ["tenant.imported"]
    keys = [
        folder.joinpath("keys", "master.key").read_bytes() for folder in (tmp_path, elsewhere.home.parent)
    ]
    assert keys[0] != keys[1]


def test_what_cannot_be_exported_or_imported_is_refused(aura: Aura, tmp_path: Path) -> None:
    aura("tenant", "create", "Old Mill")
    there = tmp_path / "there.zip"
    there.write_bytes(b"precious")
    refused = aura.json("tenant", "export", "Old Mill", "-o", str(there), code=1)
    assert refused["error"]["code"] == "conflict"
    assert there.read_bytes() == b"precious"
    refused = aura.json("tenant", "import", str(there), "--name", "Another", code=1)
    assert refused["error"]["code"] == "unreadable_input"
    refused = aura.json("tenant", "import", str(there), "--name", "Old Mill", code=1)
    assert refused["error"]["code"] == "conflict"
    aura("tenant", "import", str(tmp_path / "missing.zip"), "--name", "Another", code=2)
    assert [row["name"] for row in aura.json("tenant", "list")["tenants"]] == ["Old Mill"]


def test_erasing_asks_for_the_exact_name(aura: Aura) -> None:
    tenant_id = fill(aura, "Old Mill", "CANARY")
    for typed in ("old mill\n", "yes\n", "\n", None):
        assert "not confirmed" in aura("tenant", "erase", "Old Mill", code=2, typed=typed).stderr
    assert aura.json("tenant", "erase", "Old Mill", code=2)["error"]["code"] == "invalid_request"
    assert (aura.home / "tenants" / tenant_id).is_dir()
    assert "aura audit list" in aura("tenant", "erase", "Old Mill", typed="Old Mill\n").stdout
    assert not (aura.home / "tenants" / tenant_id).exists()
    assert actions(aura) == ["tenant.erased"]
    (receipt,) = aura.json("audit", "list")["entries"]
    assert receipt["subject"] == tenant_id


def test_erasing_without_asking_prints_the_receipt(aura: Aura) -> None:
    made = aura.json("tenant", "create", "Old Mill")
    refused = aura.json("tenant", "erase", "Nobody", "--yes", code=1)
    assert refused["error"]["code"] == "not_found"
    assert aura.json("tenant", "erase", "Old Mill", "--yes") == {"erased": made["id"]}
    assert aura.json("tenant", "list") == {"tenants": []}


def test_beside_a_server_changes_are_made_but_nothing_is_erased(aura: Aura) -> None:
    tenant_id = fill(aura, "Old Mill", "CANARY")

    async def beside_a_server() -> None:
        async with open_data_home(load_settings({}, aura.environment).values):
            await anyio.to_thread.run_sync(lambda: aura("tenant", "suspend", "Old Mill"))
            refused = await anyio.to_thread.run_sync(
                lambda: aura.json("tenant", "erase", "Old Mill", "--yes", code=1)
            )
            assert refused["error"]["code"] == "busy"
            assert "stop it first" in refused["error"]["message"]

    anyio.run(beside_a_server)
    assert (aura.home / "tenants" / tenant_id / "tenant.sqlite").is_file()
    assert actions(aura) == []
