"""The master key behind a passphrase: only that passphrase opens it, and nothing else is ever changed."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from aura_local.errors import Conflict, InvalidRequest, KeyUnavailable
from aura_local.storage.keys import MasterKey
from aura_local.storage.sealed_key import (
    change_passphrase,
    load_or_create_sealed,
    seal,
    seal_key_file,
    unseal_to_file,
)

WORDS = "correct horse battery"
OTHER = "another long passphrase"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_is_made_once_and_opens_again(home: Path) -> None:
    key = load_or_create_sealed(home, WORDS)
    assert load_or_create_sealed(home, WORDS) == key
    path = home / "master.sealed"
    assert [entry.name for entry in home.iterdir()] == ["master.sealed"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["argon2id"]["memory_kib"] >= 64 * 1024
    with pytest.raises(Conflict):
        seal(home, MasterKey.new(), OTHER)


def test_a_passphrase_is_the_same_however_it_is_composed(home: Path) -> None:
    assert load_or_create_sealed(home, "zwölf grüne Äpfel") == load_or_create_sealed(
        home, "zwo\u0308lf gru\u0308ne A\u0308pfel"
    )


def test_a_wrong_passphrase_changes_nothing(home: Path) -> None:
    key = load_or_create_sealed(home, WORDS)
    before = (home / "master.sealed").read_bytes()
    for wrong in ("", "x", WORDS + " ", WORDS.upper(), OTHER):
        with pytest.raises(KeyUnavailable, match="passphrase does not open"):
            load_or_create_sealed(home, wrong)
    with pytest.raises(KeyUnavailable):
        change_passphrase(home, OTHER, WORDS)
    assert (home / "master.sealed").read_bytes() == before
    assert load_or_create_sealed(home, WORDS) == key


def test_a_short_passphrase_is_refused(home: Path) -> None:
    with pytest.raises(InvalidRequest):
        load_or_create_sealed(home, "x" * 11)
    assert list(home.iterdir()) == []
    load_or_create_sealed(home, "x" * 12)
    with pytest.raises(InvalidRequest):
        change_passphrase(home, "x" * 12, "y" * 11)
    load_or_create_sealed(home, "x" * 12)


def test_a_changed_passphrase_opens_the_same_key(home: Path) -> None:
    key = load_or_create_sealed(home, WORDS)
    change_passphrase(home, WORDS, OTHER)
    assert load_or_create_sealed(home, OTHER) == key
    with pytest.raises(KeyUnavailable):
        load_or_create_sealed(home, WORDS)
    assert [entry.name for entry in home.iterdir()] == ["master.sealed"]


def test_from_a_file_to_a_passphrase_and_back(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    key = MasterKey.load_or_create(file, data_folder=home)
    seal_key_file(file, home, WORDS)
    assert not file.exists()
    assert load_or_create_sealed(home, WORDS) == key
    unseal_to_file(home, file, WORDS)
    assert list(home.iterdir()) == []
    assert MasterKey.load_or_create(file, data_folder=home) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_key_is_ever_replaced_by_another(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    in_file = MasterKey.load_or_create(file, data_folder=home)
    sealed = load_or_create_sealed(home, WORDS)
    with pytest.raises(Conflict):
        seal_key_file(file, home, WORDS)
    with pytest.raises(Conflict):
        unseal_to_file(home, file, WORDS)
    assert MasterKey.load_or_create(file, data_folder=home) == in_file
    assert load_or_create_sealed(home, WORDS) == sealed


def test_a_lost_key_is_not_replaced_while_there_is_data(home: Path) -> None:
    (home / "aura.sqlite").write_bytes(b"data")
    with pytest.raises(KeyUnavailable, match="restore it"):
        load_or_create_sealed(home, WORDS)
    assert not (home / "master.sealed").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "x"},
        {"salt": "%"},
        {"sealed": ""},
        {"argon2id": {"rounds": 3}},
        {"argon2id": {"memory_kib": 2**31, "iterations": 3, "lanes": 4}},
        {"argon2id": {"memory_kib": 1024, "iterations": 3, "lanes": 4}},
        {"argon2id": {"memory_kib": "65536", "iterations": 3, "lanes": 4}},
    ],
)
def test_a_damaged_file_is_said(home: Path, change: dict[str, object]) -> None:
    load_or_create_sealed(home, WORDS)
    path = home / "master.sealed"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(KeyUnavailable):
        load_or_create_sealed(home, WORDS)
    path.write_bytes(b"\xff")
    with pytest.raises(KeyUnavailable, match="damaged"):
        load_or_create_sealed(home, WORDS)
