"""Tiny bundles of made-up files, and ways to damage them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aura_local.bundle.layout import HEADER_BYTES, Header, canonical
from aura_local.bundle.manifest import Manifest, parse_manifest
from aura_local.bundle.signing import public_key_of
from aura_local.bundle.suitability import this_platform, this_python
from aura_local.bundle.writing import Head, Ingredient, bootstrap_zip, write_bundle

KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC: Final = public_key_of(KEY)
STRANGER: Final = Ed25519PrivateKey.from_private_bytes(bytes(32))
SERIAL: Final = 1_790_000_000

FILES: Final = (
    Ingredient("wheels/thing-1-py3-none-any.whl", "wheel", b"wheel " * 100),
    Ingredient("models/voice-a/voice.onnx", "model", b"voice " * 200),
    Ingredient("models/voice-a/voice.onnx.json", "model", b'{"a": 1}'),
    Ingredient("models/ear/en/model.bin", "model", b"ear " * 300),
    Ingredient("records/pins.json", "record", b'{"a/b@1/x": {"sha256": "new"}}'),
    Ingredient("documentation/README.md", "document", b"# Read this\n"),
    Ingredient("licences/thing-1/LICENCE", "licence", b""),
)


def head(version: str = "0.1.0", serial: int = SERIAL, **changes: Any) -> Head:
    values: dict[str, Any] = {"platform": this_platform(), "python": this_python(), "profile": "tiny"}
    return Head(version=version, serial=serial, licences={"thing 1": "MIT"}, **values | changes)


def make(
    path: Path, files: tuple[Ingredient, ...] = FILES, about: Head | None = None, base: Path | None = None
) -> Manifest:
    """Write a bundle of `files`, signed with KEY."""
    before = None
    if base is not None:
        _, encoded, _ = parts(base.read_bytes())
        before = (hashlib.sha256(encoded).hexdigest(), parse_manifest(encoded))
    return write_bundle(path, about or head(), files, KEY, base=before)


def parts(content: bytes) -> tuple[bytes, bytes, bytes]:
    """Header, manifest, and all that follows."""
    end = HEADER_BYTES + int.from_bytes(content[16:20], "big")
    return content[:HEADER_BYTES], content[HEADER_BYTES:end], content[end:]


def signed(manifest: bytes, rest: bytes, key: Ed25519PrivateKey = KEY) -> bytes:
    """A bundle whose signature is good, whatever its manifest says."""
    return Header(len(manifest), key.sign(manifest), public_key_of(key)).packed() + manifest + rest


@dataclass(frozen=True, slots=True)
class Damage:
    """A way to damage a bundle, and words that its refusal has to hold."""

    name: str
    work: Callable[[bytes], bytes]
    told: str


def flip(place: int, bit: int = 0) -> Callable[[bytes], bytes]:
    def work(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        return bytes(changed)

    return work


def told(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """A manifest that was changed and signed again: a maker's own mistake, or malice."""

    def work(content: bytes) -> bytes:
        import json

        _, manifest, rest = parts(content)
        value = json.loads(manifest)
        change(value)
        return signed(canonical(value), rest)

    return work


@cache
def small_bootstrap() -> bytes:
    return bootstrap_zip()
