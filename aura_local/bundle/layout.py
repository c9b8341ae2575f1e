"""The order of the bytes in a bundle, and how large each part may be. Layer 4.

    magic            16 bytes
    manifest length   4 bytes, big-endian
    signature        64 bytes, Ed25519 over the manifest
    public key       32 bytes, of whoever signed; trusted only if known by another way
    manifest          canonical JSON (`manifest`)
    files             one after the other, as they are
    bootstrap         a zip with the Python files that read all this: makes `python3 FILE` work

Standard library and `aura_local.errors` only: what the bootstrap carries runs on a bare Python.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from aura_local.errors import AuraError, UnreadableInput

MAGIC: Final = b"AURA-BUNDLE\x00\r\n\x1a\n"
"""With bytes that a transfer as text would change."""
LENGTH_BYTES: Final = 4
HEADER_BYTES: Final = len(MAGIC) + LENGTH_BYTES + 64 + 32
MANIFEST_LIMIT_BYTES: Final = 8 * 1024 * 1024
BOOTSTRAP_LIMIT_BYTES: Final = 1024 * 1024
FILES_LIMIT: Final = 20_000
FILE_LIMIT_BYTES: Final = 1 << 40
COPY_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Header:
    manifest_bytes: int
    signature: bytes
    public_key: bytes

    def packed(self) -> bytes:
        length = self.manifest_bytes.to_bytes(LENGTH_BYTES, "big")
        return MAGIC + length + self.signature + self.public_key


def read_header(content: bytes) -> Header:
    """Raises `UnreadableInput` for what begins no bundle, or one whose manifest would be too large."""
    if content[: len(MAGIC)] != MAGIC:
        raise damaged("header", "it does not begin like a bundle of AURA Local")
    if len(content) < HEADER_BYTES:
        raise damaged("header", "the file ends in it")
    rest = content[len(MAGIC) : HEADER_BYTES]
    manifest_bytes = int.from_bytes(rest[:LENGTH_BYTES], "big")
    if not 0 < manifest_bytes <= MANIFEST_LIMIT_BYTES:
        raise damaged("header", f"a manifest of {manifest_bytes} bytes is not allowed")
    return Header(manifest_bytes, rest[LENGTH_BYTES : LENGTH_BYTES + 64], rest[LENGTH_BYTES + 64 :])


def canonical(value: Any) -> bytes:
    """The one way in which a value is written: sorted names, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def damaged(part: str, reason: str) -> AuraError:
    """The refusal of a bundle, naming the part or file that is not what it should be."""
    return UnreadableInput(
        f"The bundle is refused: {part}: {reason}. Get the file once more.", code="bundle_damaged"
    )
