"""The master key, and the tenant keys that it wraps. Layer 1.

One 32-byte file opens everything; it lives outside the data folder, because a key beside its data
protects nothing (`sealed_key` is the other way: inside the folder, behind a passphrase). A tenant's key is
random, stored only wrapped, and erasing it erases the tenant.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aura_local.errors import KeyUnavailable
from aura_local.storage.durable_files import create_private_file, make_private_folder, sync_folder

KEY_BYTES = 32
PLATFORM_DATABASE = "aura.sqlite"

_WRAP_VERSION = b"\x01"
_NONCE_BYTES = 12
PAGE_BYTES = 4096
"""Of SQLCipher files."""
_SALT_BYTES = 16
_PAGE_TAG_BYTES = 64


def new_tenant_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def derive_key(key: bytes, purpose: str, *, salt: bytes | None = None) -> bytes:
    """32 bytes by HKDF-SHA256; different purposes or salts give unrelated keys."""
    info = f"aura-local {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(key)


def key_fits(path: Path, key: bytes) -> bool:
    """Whether the second page of the SQLCipher file `path` was written with the raw `key`.

    SQLCipher answers "file is not a database" both to a wrong key and to a damaged first page; a second
    page that authenticates tells them apart. False when there is no second page. Only for a file that
    this process has no connection to.
    """
    with path.open("rb") as file:
        salt = file.read(_SALT_BYTES)
        file.seek(PAGE_BYTES)
        page = file.read(PAGE_BYTES)
    if len(page) < PAGE_BYTES:
        return False
    # SQLCipher 4: HMAC-SHA512 over ciphertext, IV and page number; its key comes from the raw key by two
    # rounds of PBKDF2 with the file's salt XOR 0x3a. https://www.zetetic.net/sqlcipher/design/
    tag_salt = bytes(byte ^ 0x3A for byte in salt)
    tag_key = hashlib.pbkdf2_hmac("sha512", key, tag_salt, 2, KEY_BYTES)
    signed, tag = page[:-_PAGE_TAG_BYTES], page[-_PAGE_TAG_BYTES:]
    return hmac.compare_digest(hmac.digest(tag_key, signed + (2).to_bytes(4, "little"), "sha512"), tag)


def pending_path(path: Path) -> Path:
    """Where the key waits that is about to replace the one in `path`."""
    return path.with_name(f"{path.name}.next")


def settled(path: Path, platform_database: Path, load: Callable[[Path], MasterKey]) -> MasterKey:
    """The master key in `path`, after finishing a change of it that was cut short.

    Before the platform's file is rewritten under a new master key, that key is stored beside the old one.
    Whichever the file was written with is the master key; the other one is removed. Only for a platform
    file that this process has no connection to. Raises what `load` raises.
    """
    pending = pending_path(path)
    if not pending.exists():
        return load(path)
    new = load(pending)
    if platform_database.exists() and key_fits(platform_database, new.derive("platform")):
        pending.replace(path)
        sync_folder(path.parent)
        return new
    current = load(path)
    if not platform_database.exists() or key_fits(platform_database, current.derive("platform")):
        pending.unlink()
        sync_folder(path.parent)
    return current


class MasterKey:
    """32 bytes in memory. Never printed, logged or stored in the data folder."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise KeyUnavailable(f"The master key must have {KEY_BYTES} bytes, not {len(key)}.")
        self._key = key

    def __repr__(self) -> str:
        return "MasterKey(********)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MasterKey) and hmac.compare_digest(self._key, other._key)

    def __hash__(self) -> int:
        return hash(self.derive("identity"))

    @classmethod
    def new(cls) -> MasterKey:
        """32 random bytes."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def load_or_create(cls, path: Path, *, data_folder: Path) -> MasterKey:
        """Read the key file, or create it (mode 0600, folder 0700, durable) on the very first start.

        Two processes that create at once end up with the same key. Raises KeyUnavailable for a path under
        `data_folder`, a file that others may read, a wrong length, a file or folder that cannot be used,
        and a missing file where `data_folder` already holds data that only the lost key opens.
        """
        _refuse_beside_data(path, data_folder)
        try:
            try:
                return settled(path, data_folder / PLATFORM_DATABASE, cls._load)
            except FileNotFoundError:
                if (data_folder / PLATFORM_DATABASE).exists():
                    raise KeyUnavailable(
                        f"The master key file {path} is missing, but {data_folder / PLATFORM_DATABASE} needs "
                        "it: restore the file from your backup, or set AURA_MASTER_KEY_FILE to where it is; "
                        'a key behind a passphrase needs master_key_source = "passphrase".'
                    ) from None
                _create(path, secrets.token_bytes(KEY_BYTES))
                return cls._load(path)
        except OSError as error:
            raise KeyUnavailable(
                f"The master key file {path} cannot be used: {os.strerror(error.errno or 0)}."
            ) from error

    def store(self, path: Path, *, data_folder: Path) -> None:
        """Write the key to a file (mode 0600, durable) that is not there yet; an existing one is kept.

        Raises KeyUnavailable for a path under `data_folder` or one that cannot be used.
        """
        _refuse_beside_data(path, data_folder)
        try:
            _create(path, self._key)
        except OSError as error:
            raise KeyUnavailable(
                f"The master key file {path} cannot be written: {os.strerror(error.errno or 0)}."
            ) from error

    def sealed_by(self, encrypt: Callable[[bytes], bytes]) -> bytes:
        """What `encrypt` makes of the key: the only way out of this object."""
        return encrypt(self._key)

    @classmethod
    def _load(cls, path: Path) -> MasterKey:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise KeyUnavailable(
                    f"The master key file {path} can be read by other users: run chmod 600 on it."
                )
            content = file.read(KEY_BYTES + 1)
        if len(content) != KEY_BYTES:
            raise KeyUnavailable(
                f"The master key file {path} does not hold {KEY_BYTES} bytes: restore it from your backup."
            )
        return cls(content)

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose."""
        return derive_key(self._key, purpose)

    def wrap(self, tenant_id: str, key: bytes) -> bytes:
        """Encrypt a tenant's key so that it opens only for this tenant: version, nonce, AES-256-GCM."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self.derive("tenant keys")).encrypt(nonce, key, tenant_id.encode())
        return _WRAP_VERSION + nonce + sealed

    def unwrap(self, tenant_id: str, wrapped: bytes) -> bytes:
        """The tenant's key. Raises KeyUnavailable if it was wrapped for another tenant or by another key."""
        nonce, sealed = wrapped[1 : 1 + _NONCE_BYTES], wrapped[1 + _NONCE_BYTES :]
        try:
            if wrapped[:1] != _WRAP_VERSION:
                raise InvalidTag
            return AESGCM(self.derive("tenant keys")).decrypt(nonce, sealed, tenant_id.encode())
        except (InvalidTag, ValueError) as error:
            raise KeyUnavailable(
                f"The key of tenant {tenant_id} does not open with this master key: restore the master key "
                "file, or the platform database, from the backup that belongs to it."
            ) from error


def _refuse_beside_data(path: Path, data_folder: Path) -> None:
    if path.resolve().is_relative_to(data_folder.resolve()):
        raise KeyUnavailable(
            f"The master key {path} lies in the data folder {data_folder}, where it protects nothing: "
            "move it out and set AURA_MASTER_KEY_FILE to the new place."
        )


def _create(path: Path, key: bytes) -> None:
    make_private_folder(path.parent)
    # A link appears whole or not at all, and never replaces a key that another process just created.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    create_private_file(draft, key)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    sync_folder(path.parent)
