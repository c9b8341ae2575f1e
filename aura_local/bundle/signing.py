"""The key that bundles are signed with, and the same check as `ed25519` by a kept library. Layer 4."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from aura_local.errors import Conflict, KeyUnavailable
from aura_local.storage.durable_files import create_private_file, make_private_folder
from aura_local.storage.sqlite_errors import file_errors_translated

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE: Final = "bundle-signing.key"
"""Beside the master key, where no other place is named."""

_KEY_LIMIT_BYTES: Final = 4096


def make_signing_key(path: Path) -> bytes:
    """Write a new private key (PEM, mode 0600) and return its public key. Raises `Conflict` for a file that
    is there already, and `StorageUnavailable`.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with file_errors_translated(path):
        make_private_folder(path.parent)
        try:
            create_private_file(path, content)
        except FileExistsError as error:
            raise Conflict(f"{path} exists: a key is never replaced; name another file.") from error
    return public_key_of(key)


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """Raises `KeyUnavailable` for a file that is missing, is no such key, or that others may read."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with path.open("rb") as file:
            content = file.read(_KEY_LIMIT_BYTES)
            open_to_others = file_mode(path) & 0o077
    except OSError as error:
        raise KeyUnavailable(
            f"The signing key {path} cannot be read: {error.strerror}. `aura bundle key` makes one."
        ) from error
    if open_to_others:
        raise KeyUnavailable(f"Others may read the signing key {path}: chmod 600 it, or make a new one.")
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise KeyUnavailable(f"{path} is no signing key; `aura bundle key` makes one.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnavailable(f"{path} is no Ed25519 key; `aura bundle key` makes one.")
    return key


def public_key_of(key: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def signature_holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Like `ed25519.signature_holds`, by `cryptography`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def file_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777
