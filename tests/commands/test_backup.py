"""`aura backup`: made, verified and put back, whole or one tenant; damaged ones are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest

from aura_local.data_home import open_data_home
from aura_local.settings_sources import load_settings
from tests.commands.invoking import Aura
from tests.commands.test_tenant import actions, dump, fill


@pytest.fixture
def backup(aura: Aura, tmp_path: Path) -> Path:
    """Of two tenants, whose names are still in it."""
    fill(aura, "Old Mill", "CANARY")
    fill(aura, "Water Works", "OTHER")
    made = aura.json("backup", "make", str(tmp_path / "backup"))
    assert (made["tenants"], made["left_out"]) == (2, [])
    assert made["files"] == 5
    return tmp_path / "backup"


def id_of(aura: Aura, name: str) -> str:
    tenant_id: str = next(row["id"] for row in aura.json("tenant", "list")["tenants"] if row["name"] == name)
    return tenant_id


def some_blob(backup: Path) -> Path:
    return next(path for path in sorted(backup.glob("tenants/*/blobs/*/*")) if path.is_file())


def test_a_backup_is_made_beside_a_server_and_is_sound(aura: Aura, tmp_path: Path) -> None:
    fill(aura, "Old Mill", "CANARY")

    async def beside_a_server() -> None:
        async with open_data_home(load_settings({}, aura.environment).values):
            made = await anyio.to_thread.run_sync(lambda: aura("backup", "make", str(tmp_path / "one")))
            assert "keep a copy elsewhere" in made.stderr

    anyio.run(beside_a_server)
    files = sorted(path for path in (tmp_path / "one").rglob("*") if path.is_file())
    digests = [path.read_bytes() for path in files]
    assert aura.json("backup", "verify", str(tmp_path / "one"))["status"] == "sound"
    assert sorted(path for path in (tmp_path / "one").rglob("*") if path.is_file()) == files
    assert [path.read_bytes() for path in files] == digests
    assert actions(aura) == ["backup.made"]
    assert aura.json("backup", "make", str(tmp_path / "one"), code=1)["error"]["code"] == "conflict"
    assert "inside the data folder" in aura("backup", "make", str(aura.home / "b"), code=2).stderr


def test_a_damaged_tenant_is_left_out_and_told(aura: Aura, tmp_path: Path) -> None:
    damaged = fill(aura, "Old Mill", "CANARY")
    (aura.home / "tenants" / damaged / "tenant.sqlite").write_bytes(b"x" * 20_000)
    made = aura.json("backup", "make", str(tmp_path / "backup"), code=1)
    assert made["left_out"] == [damaged]
    assert aura.json("backup", "verify", str(tmp_path / "backup"))["left_out"] == [damaged]


@pytest.mark.parametrize("damage", ["changed", "missing", "database"])
def test_a_damaged_backup_is_neither_sound_nor_restored(aura: Aura, backup: Path, damage: str) -> None:
    file = some_blob(backup) if damage != "database" else next(backup.glob("tenants/*/tenant.sqlite"))
    if damage == "missing":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    before = aura.json("tenant", "list")
    assert aura.json("backup", "verify", str(backup), code=1)["error"]["code"] == "storage_damaged"
    refused = aura.json("backup", "restore", str(backup), "--replace", "--yes", code=1)
    assert refused["error"]["code"] == "storage_damaged"
    assert aura.json("tenant", "list") == before


def test_a_folder_that_is_no_backup_is_said_to_be_none(aura: Aura, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "master.key").touch(mode=0o600)
    (tmp_path / "keys" / "master.key").write_bytes(bytes(32))
    (tmp_path / "empty").mkdir()
    assert "is no backup" in aura("backup", "verify", str(tmp_path / "empty"), code=1).stderr
    aura("backup", "restore", str(tmp_path / "missing"), code=2)


def test_a_lost_data_folder_comes_back(aura: Aura, backup: Path) -> None:
    tenant_id = id_of(aura, "Old Mill")
    before = dump(aura, tenant_id)
    shutil.rmtree(aura.home)
    restored = aura.json("backup", "restore", str(backup))
    assert (restored["status"], restored["tenants"]) == ("restored", 2)
    assert dump(aura, tenant_id) == before
    assert actions(aura) == ["backup.made", "backup.restored"]


def test_data_that_is_there_is_replaced_only_when_told_twice(aura: Aura, backup: Path) -> None:
    aura("tenant", "rename", "Old Mill", "Renamed")
    assert aura.json("backup", "restore", str(backup), code=1)["error"]["code"] == "conflict"
    assert (
        "not confirmed" in aura("backup", "restore", str(backup), "--replace", code=2, typed="yes\n").stderr
    )
    assert id_of(aura, "Renamed")
    aura("backup", "restore", str(backup), "--replace", typed="replace\n")
    assert id_of(aura, "Old Mill")


def test_nothing_is_replaced_under_a_server(aura: Aura, backup: Path) -> None:
    async def beside_a_server() -> None:
        def refusals() -> None:
            for words in (("--replace",), ("--tenant", "Old Mill")):
                refused = aura.json("backup", "restore", str(backup), *words, "--yes", code=1)["error"]
                assert refused["code"] == "busy"
                assert "stop it first" in refused["message"]

        async with open_data_home(load_settings({}, aura.environment).values):
            await anyio.to_thread.run_sync(refusals)

    anyio.run(beside_a_server)


def test_one_damaged_tenant_comes_back_and_the_other_stays(aura: Aura, backup: Path) -> None:
    tenant_id = id_of(aura, "Old Mill")
    before = dump(aura, tenant_id)
    aura("tenant", "rename", "Water Works", "Renamed")
    (aura.home / "tenants" / tenant_id / "tenant.sqlite").write_bytes(b"x" * 20_000)
    restored = aura.json("backup", "restore", str(backup), "--tenant", "Old Mill", "--yes")
    assert restored == {"status": "restored", "tenant": tenant_id}
    assert dump(aura, tenant_id) == before
    assert id_of(aura, "Renamed")
    assert actions(aura, "--tenant", "Old Mill") == ["backup.restored"]
    aura("tenant", "create", "Newcomer")
    refused = aura.json("backup", "restore", str(backup), "--tenant", "Newcomer", "--yes", code=1)
    assert refused["error"]["code"] == "not_found"


def test_a_backup_of_before_another_master_key_needs_the_former_one(
    aura: Aura, backup: Path, tmp_path: Path
) -> None:
    key_file = Path(aura.environment["AURA_MASTER_KEY_FILE"])
    former = tmp_path / "former.key"
    shutil.copy(key_file, former)
    aura("key", "rotate-master")
    tenant = ("--tenant", "Old Mill", "--yes")
    for words in (("verify",), ("restore", "--replace", "--yes"), ("restore", *tenant)):
        refused = aura.json("backup", words[0], str(backup), *words[1:], code=1)
        assert refused["error"]["code"] == "key_unavailable", words
    key = ("--key-file", str(former))
    assert aura.json("backup", "verify", str(backup), *key)["status"] == "sound"
    assert aura.json("backup", "restore", str(backup), *tenant, *key)["status"] == "restored"
    made = aura("backup", "restore", str(backup), "--replace", "--yes", *key)
    assert f'master_key_file = "{former}"' in made.stderr
    aura.environment["AURA_MASTER_KEY_FILE"] = str(former)
    assert id_of(aura, "Old Mill")


def test_no_master_key_is_made_for_a_backup_whose_key_is_lost(aura: Aura, backup: Path) -> None:
    key_file = Path(aura.environment["AURA_MASTER_KEY_FILE"])
    key_file.unlink()
    shutil.rmtree(aura.home)
    assert "--key-file" in aura("backup", "restore", str(backup), code=1).stderr
    assert not key_file.exists()
