"""What `aura doctor` says about data at rest, for each way to set it up."""

from __future__ import annotations

from pathlib import Path

from aura_local.commands.protection import VECTORS_IN_MEMORY, encryption
from aura_local.settings import RetrievalSettings, Settings


def settings(folder: Path) -> Settings:
    return Settings(home=folder / "home", master_key_file=folder / "keys" / "master.key")


def test_a_key_file_protects_a_stolen_folder_alone(tmp_path: Path) -> None:
    found = encryption(settings(tmp_path))
    assert (found["master_key_source"], found["master_key_present"]) == ("file", False)
    assert "Does not protect against someone who takes the key file too" in found["protects"]
    assert not found["vectors_encrypted"]
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/master.key").write_bytes(bytes(32))
    assert encryption(settings(tmp_path))["master_key_present"]


def test_a_passphrase_protects_the_whole_disk(tmp_path: Path) -> None:
    found = encryption(settings(tmp_path).model_copy(update={"master_key_source": "passphrase"}))
    assert found["master_key_file"] == str(tmp_path / "home/master.sealed")
    assert "sealed by the passphrase" in found["protects"]


def test_indexes_in_memory_and_what_is_left_of_those_on_disk(tmp_path: Path) -> None:
    in_memory = settings(tmp_path).model_copy(
        update={"retrieval": RetrievalSettings(index_location="memory")}
    )
    found = encryption(in_memory)
    assert (found["vectors"], found["left_on_disk"]) == (VECTORS_IN_MEMORY, 0)
    (tmp_path / "home/tenants/one/chroma").mkdir(parents=True)
    assert encryption(in_memory)["left_on_disk"] == 1
