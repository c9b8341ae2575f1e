"""The master key that a backup opens with: sealed in it, or in a file apart from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aura_local.errors import KeyUnavailable

if TYPE_CHECKING:
    from aura_local.data_home import AskPassphrase
    from aura_local.settings import Settings
    from aura_local.storage.keys import MasterKey


@dataclass(frozen=True, slots=True)
class BackupKey:
    """The key, and how the data folder opens once the backup is in place."""

    master_key: MasterKey
    settings: Settings
    passphrase: AskPassphrase | None


def key_of_backup(folder: Path, settings: Settings, key_file: Path | None) -> BackupKey:
    """Asks for the passphrase where the key lies sealed in the backup. Blocks.

    Raises `KeyUnavailable`, where a key file is missing as well: none is made here.
    """
    from aura_local.passphrase import ask_passphrase
    from aura_local.storage.sealed_key import SEALED_FILE, load_or_create_sealed

    if key_file is None and (folder / SEALED_FILE).is_file():
        words = ask_passphrase("Passphrase of the backup: ")
        key = load_or_create_sealed(folder, words)
        sealed = settings.model_copy(update={"master_key_source": "passphrase"})
        return BackupKey(key, sealed, lambda: words)
    key_file = key_file or settings.master_key_file
    in_file = settings.model_copy(update={"master_key_source": "file", "master_key_file": key_file})
    return BackupKey(key_in_file(key_file, settings.home), in_file, None)


def key_in_file(key_file: Path, home: Path) -> MasterKey:
    """Raises `KeyUnavailable`."""
    from aura_local.storage.keys import MasterKey

    if not key_file.exists():
        raise KeyUnavailable(
            f"There is no master key {key_file}: put the one of the backup there, or name it with --key-file."
        )
    return MasterKey.load_or_create(key_file, data_folder=home)
