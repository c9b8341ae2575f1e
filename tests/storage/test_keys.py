"""The master key is private, outside the data, and each wrapped key opens for its own tenant alone."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aura_local.errors import KeyUnavailable
from aura_local.storage.keys import MasterKey, derive_key, new_tenant_key


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_is_created_private_and_loads_again(tmp_path: Path, data_folder: Path) -> None:
    path = tmp_path / "config" / "aura" / "master.key"
    created = MasterKey.load_or_create(path, data_folder=data_folder)
    loaded = MasterKey.load_or_create(path, data_folder=data_folder)
    assert created.derive("x") == loaded.derive("x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["master.key"]


def test_creators_at_the_same_time_agree(tmp_path: Path, data_folder: Path) -> None:
    path = tmp_path / "config" / "master.key"
    with ThreadPoolExecutor(8) as pool:
        keys = pool.map(lambda _: MasterKey.load_or_create(path, data_folder=data_folder), range(8))
        assert len({key.derive("x") for key in keys}) == 1


def test_refuses_a_place_inside_the_data(tmp_path: Path, data_folder: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(data_folder)
    for path in (data_folder / "master.key", tmp_path / "elsewhere" / "keys" / "master.key"):
        with pytest.raises(KeyUnavailable, match="AURA_MASTER_KEY_FILE"):
            MasterKey.load_or_create(path, data_folder=data_folder)
    assert list(data_folder.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_refuses_a_file_open_to_others(tmp_path: Path, data_folder: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(bytes(32))
    path.chmod(mode)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        MasterKey.load_or_create(path, data_folder=data_folder)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_refuses_a_wrong_length(tmp_path: Path, data_folder: Path, length: int) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(bytes(length))
    path.chmod(0o600)
    with pytest.raises(KeyUnavailable, match="32 bytes"):
        MasterKey.load_or_create(path, data_folder=data_folder)


def test_a_lost_key_is_not_replaced_while_there_is_data(tmp_path: Path, data_folder: Path) -> None:
    (data_folder / "aura.sqlite").write_bytes(b"data")
    path = tmp_path / "master.key"
    with pytest.raises(KeyUnavailable) as caught:
        MasterKey.load_or_create(path, data_folder=data_folder)
    assert str(path) in caught.value.message
    assert "restore" in caught.value.message
    assert not path.exists()


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path, data_folder: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyUnavailable, match=r"master\.key cannot be used"):
        MasterKey.load_or_create(tmp_path / "file" / "master.key", data_folder=data_folder)


def test_a_wrapped_key_opens_only_for_its_tenant_and_master() -> None:
    master, key = MasterKey(bytes(32)), new_tenant_key()
    wrapped = master.wrap("tenant-a", key)
    assert master.unwrap("tenant-a", wrapped) == key
    assert key not in wrapped
    assert master.wrap("tenant-a", key) != wrapped
    damaged = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    for opener, tenant, sealed in (
        (master, "tenant-b", wrapped),
        (MasterKey(b"\x01" * 32), "tenant-a", wrapped),
        (master, "tenant-a", damaged),
        (master, "tenant-a", b"\x02" + wrapped[1:]),
        (master, "tenant-a", b""),
        (master, "tenant-a", wrapped[:5]),
    ):
        with pytest.raises(KeyUnavailable):
            opener.unwrap(tenant, sealed)


def test_derived_keys_are_unrelated() -> None:
    master = MasterKey(bytes(range(32)))
    keys = {master.derive("platform"), master.derive("tenant keys"), bytes(range(32))}
    keys |= {derive_key(bytes(32), "blobs"), derive_key(bytes(32), "blobs", salt=b"1")}
    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}


def test_is_never_printed() -> None:
    secret = bytes(range(32))
    shown = repr(MasterKey(secret)) + str(MasterKey(secret))
    assert secret.hex() not in shown
    assert repr(secret) not in shown
    assert "*" in shown
