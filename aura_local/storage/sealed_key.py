"""The master key behind a passphrase: sealed in the data folder, opened at every start. Layer 1.

The key itself stays 32 random bytes; the passphrase only wraps it, so that changing the passphrase
re-encrypts nothing. Argon2id with 64 MiB makes every guess cost a tenth of a second and that memory. A
thief of the folder can still guess a weak passphrase at leisure: length is what protects it.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
import unicodedata
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aura_local.errors import Conflict, InvalidRequest, KeyUnavailable
from aura_local.storage.durable_files import create_private_file, sync_folder
from aura_local.storage.keys import KEY_BYTES, PLATFORM_DATABASE, MasterKey, pending_path, settled

SEALED_FILE: Final = "master.sealed"
SHORTEST_PASSPHRASE_CHARACTERS: Final = 12

_FORMAT: Final = "aura-local sealed master key, version 1"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_FILE_LIMIT_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class KeyCost:
    """What one guess of the passphrase costs. Stored beside the key, so that it can grow later."""

    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 4

    def bearable(self) -> bool:
        """Whether it is between 64 MiB and 1 GiB, and soon over: a changed file must not take all memory."""
        return 65_536 <= self.memory_kib <= 1_048_576 and 1 <= self.iterations <= 20 and 1 <= self.lanes <= 16


def load_or_create_sealed(home: Path, passphrase: str) -> MasterKey:
    """Open `home`/master.sealed, or make it with a new key on the very first start.

    Finishes a change of the master key that was cut short. Blocks for about 0.1 s. Raises KeyUnavailable
    for a wrong passphrase, a damaged file, and a missing one where there is data already; InvalidRequest
    for a new passphrase that is too short.
    """
    path = home / SEALED_FILE
    if not path.exists() and not pending_path(path).exists():
        if (home / PLATFORM_DATABASE).exists():
            raise KeyUnavailable(
                f"There is no sealed master key {path}, but there is data: restore it from a backup, or set "
                'master_key_source to "file" if the key is in a file and has never been sealed.'
            )
        with suppress(Conflict):  # another process was first; its passphrase decides
            seal(home, MasterKey(secrets.token_bytes(KEY_BYTES)), passphrase)
    return settled(path, home / PLATFORM_DATABASE, lambda file: _open(file, passphrase))


def seal(home: Path, key: MasterKey, passphrase: str) -> None:
    """Write `home`/master.sealed. Raises Conflict if there is one, InvalidRequest for a short passphrase."""
    _write(home / SEALED_FILE, key, passphrase)


def seal_next(home: Path, key: MasterKey, passphrase: str) -> Path:
    """Write the key that is about to replace the sealed one, replacing an earlier attempt; its path."""
    path = pending_path(home / SEALED_FILE)
    path.unlink(missing_ok=True)
    _write(path, key, passphrase)
    return path


def change_passphrase(home: Path, old: str, new: str) -> None:
    """Seal the same key under another passphrase; afterwards the old one opens nothing here.

    Durable on return; a crash leaves one of the two. Raises KeyUnavailable for a wrong old passphrase.
    """
    key = load_or_create_sealed(home, old)
    draft = home / f".{SEALED_FILE}.{secrets.token_hex(8)}"
    try:
        _write(draft, key, new)
        draft.replace(home / SEALED_FILE)
        sync_folder(home)
    finally:
        draft.unlink(missing_ok=True)


def seal_key_file(key_file: Path, home: Path, passphrase: str) -> None:
    """Move from a key file to a passphrase. The file is removed once the sealed key has been opened again.

    A crash may leave both; doing it again ends it. Set `master_key_source = "passphrase"` afterwards.
    Raises KeyUnavailable, InvalidRequest, and Conflict if another key is sealed here already.
    """
    key = MasterKey.load_or_create(key_file, data_folder=home)
    with suppress(Conflict):
        seal(home, key, passphrase)
    if load_or_create_sealed(home, passphrase) != key:
        raise Conflict(f"{home / SEALED_FILE} holds another master key: remove it if it opens nothing.")
    key_file.unlink()
    sync_folder(key_file.parent)


def unseal_to_file(home: Path, key_file: Path, passphrase: str) -> None:
    """Move from a passphrase to a key file (mode 0600). Set `master_key_source = "file"` afterwards.

    Raises KeyUnavailable, and Conflict if `key_file` holds another key.
    """
    key = load_or_create_sealed(home, passphrase)
    key.store(key_file, data_folder=home)
    if MasterKey.load_or_create(key_file, data_folder=home) != key:
        raise Conflict(f"{key_file} holds another master key: name another file.")
    (home / SEALED_FILE).unlink()
    sync_folder(home)


def _write(path: Path, key: MasterKey, passphrase: str) -> None:
    if len(passphrase) < SHORTEST_PASSPHRASE_CHARACTERS:
        raise InvalidRequest(f"A passphrase has at least {SHORTEST_PASSPHRASE_CHARACTERS} characters.")
    salt, nonce, cost = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES), KeyCost()
    wrapping_key = _wrapping_key(passphrase, salt, cost)
    sealed = key.sealed_by(lambda plain: AESGCM(wrapping_key).encrypt(nonce, plain, _FORMAT.encode()))
    content = {"format": _FORMAT, "argon2id": asdict(cost)} | {
        name: base64.b64encode(value).decode()
        for name, value in (("salt", salt), ("nonce", nonce), ("sealed", sealed))
    }
    # A link appears whole or not at all, and never replaces a key.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    create_private_file(draft, json.dumps(content, indent=2).encode())
    try:
        os.link(draft, path)
    except FileExistsError as error:
        raise Conflict(f"There is a sealed master key already: {path}.") from error
    finally:
        draft.unlink()
    sync_folder(path.parent)


def _open(path: Path, passphrase: str) -> MasterKey:
    try:
        with path.open("rb") as file:
            content: dict[str, Any] = json.loads(file.read(_FILE_LIMIT_BYTES))
        cost = KeyCost(**content["argon2id"])
        if content["format"] != _FORMAT or not cost.bearable():
            raise ValueError("unknown format")
        salt, nonce, sealed = (
            base64.b64decode(content[name], validate=True) for name in ("salt", "nonce", "sealed")
        )
        wrapping_key = _wrapping_key(passphrase, salt, cost)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise KeyUnavailable(f"The sealed master key {path} is damaged: restore it from a backup.") from error
    except OSError as error:
        raise KeyUnavailable(f"The sealed master key {path} cannot be read: {error.strerror}.") from error
    try:
        return MasterKey(AESGCM(wrapping_key).decrypt(nonce, sealed, _FORMAT.encode()))
    except (InvalidTag, ValueError) as error:
        raise KeyUnavailable(
            "The passphrase does not open the master key. Nothing has been changed: try again."
        ) from error


def _wrapping_key(passphrase: str, salt: bytes, cost: KeyCost) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    # The same words from another keyboard may be composed of other code points.
    words = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    return Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    ).derive(words)
