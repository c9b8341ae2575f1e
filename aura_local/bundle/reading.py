"""Reads a bundle without an archive library: bounded, and every byte under a digest before it has a name.

Layer 4. Standard library and `aura_local.errors` only.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

from aura_local.bundle.ed25519 import signature_holds
from aura_local.bundle.layout import COPY_BYTES, HEADER_BYTES, damaged, read_header
from aura_local.bundle.manifest import BundleFile, Manifest, parse_manifest
from aura_local.bundle.trust import SignatureHolds, Trust
from aura_local.errors import InvalidRequest

Progress: TypeAlias = Callable[[str, int, int], None]
"""Name of the file at work, bytes done and bytes in all."""


def no_progress(name: str, done_bytes: int, all_bytes: int) -> None:
    """For whoever does not want to know."""


class Bundle:
    """A bundle whose signature, manifest, size and bootstrap have been proved; its files not yet."""

    def __init__(
        self, file: BinaryIO, manifest: Manifest, digest: str, public_key: bytes, start: int
    ) -> None:
        self.manifest = manifest
        self.manifest_sha256 = digest
        self.public_key = public_key
        self._file = file
        self._start = start

    def pieces(self, file: BundleFile) -> Iterator[bytes]:
        """The bytes of a carried file. Raises `UnreadableInput` that names it, after the last piece."""
        assert file.offset is not None
        yield from self._proved(file.name, self._start + file.offset, file.size_bytes, file.sha256)

    def verify(self, progress: Progress = no_progress) -> None:
        """Prove every carried file. Blocks; about a second for a gigabyte."""
        done_bytes, all_bytes = 0, self.manifest.carried_bytes
        for file in self.manifest.files:
            if file.offset is not None:
                for piece in self.pieces(file):
                    done_bytes += len(piece)
                    progress(file.name, done_bytes, all_bytes)

    def verify_bootstrap(self) -> None:
        start = self._start + self.manifest.carried_bytes
        for _ in self._proved(
            "bootstrap", start, self.manifest.bootstrap_bytes, self.manifest.bootstrap_sha256
        ):
            pass

    def _proved(self, name: str, start: int, size_bytes: int, sha256: str) -> Iterator[bytes]:
        digest, left_bytes = hashlib.sha256(), size_bytes
        self._file.seek(start)
        while left_bytes > 0:
            piece = _read(self._file, min(COPY_BYTES, left_bytes), name)
            if not piece:
                raise damaged(name, "the bundle ends in it")
            digest.update(piece)
            left_bytes -= len(piece)
            yield piece
        if digest.hexdigest() != sha256:
            raise damaged(name, "its SHA-256 is not the signed one")


@contextmanager
def open_bundle(
    path: Path, trust: Trust | None, *, holds: SignatureHolds = signature_holds
) -> Iterator[Bundle]:
    """The bundle at `path`; with `trust` None its signature is checked, but anybody may have signed.

    Nothing of the manifest is used before its signature was found good. Raises `InvalidRequest` for what is
    no file, `UnreadableInput` that names the damaged part, and like `Trust.refuse_stranger`.
    """
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InvalidRequest(f"{path} is no regular file.")
        header = read_header(_read(file, HEADER_BYTES, "header"))
        content = _read(file, header.manifest_bytes, "manifest")
        if len(content) < header.manifest_bytes:
            raise damaged("manifest", "the file ends in it")
        if not holds(header.public_key, content, header.signature):
            raise damaged("manifest", "its signature does not hold: it, its length, key or signature differ")
        if trust is not None:
            trust.refuse_stranger(header.public_key)
        manifest = parse_manifest(content)
        start = HEADER_BYTES + header.manifest_bytes
        whole = start + manifest.carried_bytes + manifest.bootstrap_bytes
        if status.st_size != whole:
            raise damaged(
                _last_whole(manifest, status.st_size - start),
                f"the file has {status.st_size} bytes instead of {whole}",
            )
        bundle = Bundle(file, manifest, hashlib.sha256(content).hexdigest(), header.public_key, start)
        bundle.verify_bootstrap()
        yield bundle


def _read(file: BinaryIO, size_bytes: int, part: str) -> bytes:
    try:
        return file.read(size_bytes)
    except OSError as error:
        raise damaged(part, f"it cannot be read: {error.strerror}") from error


def _last_whole(manifest: Manifest, available_bytes: int) -> str:
    """The first part that is not whole in a file that is too short, or what is behind the last."""
    for file in manifest.files:
        if file.offset is not None and file.offset + file.size_bytes > available_bytes:
            return file.name
    short = manifest.carried_bytes + manifest.bootstrap_bytes > available_bytes
    return "bootstrap" if short else "end of the file"
