"""Whose bundles are installed: public keys as text, their fingerprints, and the decision. Layer 4.

A signature proves who made a bundle only to somebody who has the maker's public key, or its fingerprint, by
another way than the bundle itself. Standard library and `aura_local.errors` only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from aura_local.bundle.ed25519 import KEY_BYTES
from aura_local.errors import InvalidRequest, PermissionDenied

SignatureHolds: TypeAlias = Callable[[bytes, bytes, bytes], bool]
"""Public key, message, signature."""

_PREFIX: Final = "aura-ed25519:"
_GROUPS: Final = 8
_KEY_FILE_LIMIT_BYTES: Final = 4096


def key_text(public_key: bytes) -> str:
    return _PREFIX + base64.b64encode(public_key).decode("ascii")


def read_key(value: str) -> bytes:
    """The public key that is written, or is in the file that is named. Raises `InvalidRequest`."""
    text = value.strip()
    if not text.startswith(_PREFIX):
        try:
            with Path(value).open("rb") as file:
                text = file.read(_KEY_FILE_LIMIT_BYTES).decode("ascii", "replace").strip()
        except OSError as error:
            raise InvalidRequest(
                f"The public key begins with {_PREFIX}, or is in a file that can be read."
            ) from error
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(_PREFIX) or len(key) != KEY_BYTES:
        raise InvalidRequest("That is no public key of a bundle; `aura bundle key` prints one.")
    return key


def fingerprint(public_key: bytes) -> str:
    """Half of the key's SHA-256, in groups that can be read out over the telephone."""
    digest = hashlib.sha256(public_key).hexdigest()
    return "-".join(digest[4 * group : 4 * group + 4] for group in range(_GROUPS))


@dataclass(frozen=True, slots=True)
class Trust:
    """What the operator gave: a key, a fingerprint, or neither; and the key of what is installed already."""

    key: bytes | None = None
    fingerprint: str | None = None
    remembered: bytes | None = None

    def refuse_stranger(self, public_key: bytes) -> None:
        """Raises `PermissionDenied` for a bundle signed by a key that nobody vouched for."""
        shown = fingerprint(public_key)
        if self.key is not None:
            if hmac.compare_digest(self.key, public_key):
                return
            raise _not_trusted(f"it is signed by {shown}, and the given key is {fingerprint(self.key)}")
        if self.fingerprint is not None:
            if hmac.compare_digest(_plain(self.fingerprint), _plain(shown)):
                return
            raise _not_trusted(f"it is signed by {shown}, and another fingerprint was given")
        if self.remembered is None:
            raise _not_trusted(
                f"it is signed by {shown}. Compare that with what its maker told you by another way, then "
                f"give --key PUBLICKEY or --trust-fingerprint {shown}"
            )
        if not hmac.compare_digest(self.remembered, public_key):
            raise _not_trusted(
                f"it is signed by {shown}, and what is installed came from {fingerprint(self.remembered)}; "
                "a new key has to be given by --key"
            )


def _plain(text: str) -> bytes:
    return text.replace("-", "").replace(" ", "").strip().lower().encode("utf-8")


def _not_trusted(reason: str) -> PermissionDenied:
    return PermissionDenied(f"The bundle is not trusted: {reason}.", code="bundle_not_trusted")
