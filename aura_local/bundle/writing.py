"""Writes a bundle: digests, manifest, signature, files, bootstrap; whole or not at all. Layer 4."""

from __future__ import annotations

import hashlib
import io
import os
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import aura_local
from aura_local.bundle.bootstrap import CARRIED
from aura_local.bundle.layout import COPY_BYTES, FILES_LIMIT, MANIFEST_LIMIT_BYTES, Header
from aura_local.bundle.manifest import BundleFile, Manifest, parse_manifest
from aura_local.bundle.reading import Progress, no_progress
from aura_local.bundle.signing import public_key_of
from aura_local.bundle.suitability import FreeBytes, file_errors_told, free_bytes, refuse_without_room
from aura_local.errors import PayloadTooLarge, StorageUnavailable
from aura_local.storage.durable_files import sync_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAIN: Final = """import sys
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit("error: this needs Python 3.11 or newer")

from aura_local.bundle.bootstrap import main

sys.exit(main(Path(sys.argv[0]), sys.argv[1:]))
"""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A file to put into a bundle: its name and kind there, and where its bytes are."""

    name: str
    kind: str
    source: Path | bytes

    @property
    def size_bytes(self) -> int:
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def open(self) -> BinaryIO:
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")


@dataclass(frozen=True, slots=True)
class Head:
    """What a bundle is for. `serial` is the second of its creation, Unix time."""

    version: str
    serial: int
    platform: str
    python: str
    profile: str
    licences: Mapping[str, str]


def bootstrap_zip() -> bytes:
    """The last part of a bundle: the same bytes for the same code."""
    package = Path(aura_local.__file__).parent
    modules = {f"aura_local/{name}.py": (package / f"{name}.py").read_text("utf-8") for name in CARRIED}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, text in {"__main__.py": MAIN, **modules}.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text)
    return stream.getvalue()


def write_bundle(
    path: Path,
    head: Head,
    ingredients: Sequence[Ingredient],
    key: Ed25519PrivateKey,
    *,
    base: tuple[str, Manifest] | None = None,
    progress: Progress = no_progress,
    free: FreeBytes = free_bytes,
) -> Manifest:
    """Write the bundle to `path`, replacing what is there, and return its manifest. Blocks.

    `base` is the manifest of an earlier bundle and its digest: what it lists under the same name and digest
    is left out. Raises `PayloadTooLarge` for more files than a bundle may have, `StorageFull` before
    anything is written, `StorageUnavailable`, and `UnreadableInput` for a name that no file may have.
    """
    if len(ingredients) > FILES_LIMIT:
        raise PayloadTooLarge(f"A bundle has at most {FILES_LIMIT} files.")
    ordered = sorted(ingredients, key=lambda ingredient: ingredient.name)
    kept = {} if base is None else {file.name: file.sha256 for file in base[1].files}
    bootstrap = bootstrap_zip()
    with file_errors_told(path):
        files = _listed(ordered, kept)
        manifest = Manifest(
            **{name: getattr(head, name) for name in ("version", "serial", "platform", "python", "profile")},
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(head.serial)),
            base=None if base is None else base[0],
            licences=head.licences,
            files=files,
            bootstrap_bytes=len(bootstrap),
            bootstrap_sha256=hashlib.sha256(bootstrap).hexdigest(),
        )
        content = manifest.encoded()
        if len(content) > MANIFEST_LIMIT_BYTES:
            raise PayloadTooLarge("The manifest of this bundle is larger than a reader allows.")
        # What no reader would take is not written either.
        parse_manifest(content)
        refuse_without_room(manifest.carried_bytes + len(content), path.absolute().parent, free)
        header = Header(len(content), key.sign(content), public_key_of(key))
        new = path.with_name(f".{path.name}.new")
        try:
            with new.open("wb") as out:
                out.write(header.packed() + content)
                _copy(ordered, manifest, out, progress)
                out.write(bootstrap)
                out.flush()
                os.fsync(out.fileno())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
        sync_folder(path.absolute().parent)
    return manifest


def _listed(ordered: Sequence[Ingredient], kept: Mapping[str, str]) -> tuple[BundleFile, ...]:
    files, offset = [], 0
    for one in ordered:
        with one.open() as source:
            digest, size_bytes = hashlib.sha256(), 0
            while piece := source.read(COPY_BYTES):
                digest.update(piece)
                size_bytes += len(piece)
        sha256 = digest.hexdigest()
        # A record is for merging: what the base had may have been merged with more since.
        left_out = kept.get(one.name) == sha256 and one.kind != "record"
        files.append(BundleFile(one.name, one.kind, size_bytes, sha256, None if left_out else offset))
        offset += 0 if left_out else size_bytes
    return tuple(files)


def _copy(ordered: Sequence[Ingredient], manifest: Manifest, out: BinaryIO, progress: Progress) -> None:
    done_bytes, all_bytes = 0, manifest.carried_bytes
    for one, file in zip(ordered, manifest.files, strict=True):
        if file.offset is None:
            continue
        digest = hashlib.sha256()
        with one.open() as source:
            while piece := source.read(COPY_BYTES):
                digest.update(piece)
                out.write(piece)
                done_bytes += len(piece)
                progress(file.name, done_bytes, all_bytes)
        if digest.hexdigest() != file.sha256:
            raise StorageUnavailable(f"{file.name} changed while it was read: do it again.")
