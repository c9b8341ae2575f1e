"""Opens ZIP archives (office documents, e-books, plain ones) so that no bomb goes off. Layer 2.

The directory is checked before anything is expanded; because a directory may lie, every byte is counted again
while it is. Nothing is ever written to the disk, so that names and links in an archive mean nothing.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aura_local.errors import DocumentUnreadable, PayloadTooLarge
from aura_local.retrieval.readers.limits import ReadingLimits

_MIB: Final = 1024 * 1024
_CHUNK_BYTES: Final = 256 * 1024
_HARMLESS_BYTES: Final = _MIB
"""Small parts may well be repetitive; below this size they do no harm."""
_PLAIN_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ARCHIVES: Final = (".zip", ".docx", ".xlsx", ".pptx", ".odt", ".jar", ".7z", ".gz", ".rar", ".xz", ".bz2")
_EMBEDDED: Final = ("word/embeddings/", "ppt/embeddings/", "xl/embeddings/")
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)


@dataclass(slots=True)
class Package:
    """An archive whose directory keeps the limits."""

    members: dict[str, zipfile.ZipInfo]
    """By name, in order; folders left out."""
    _archive: zipfile.ZipFile
    _limits: ReadingLimits
    _damaged: str
    _expanded_bytes: int = field(default=0)

    @property
    def exhausted(self) -> bool:
        """Whether as many bytes have been expanded as may be."""
        return self._expanded_bytes > self._limits.archive_bytes

    def read(self, name: str) -> bytes:
        """One member; raises `DocumentUnreadable` (missing, damaged, encrypted) or `PayloadTooLarge`."""
        member = self.members.get(name)
        if member is None:
            raise DocumentUnreadable(self._damaged)
        if member.flag_bits & 1:
            raise DocumentUnreadable("A part needs a password; remove it and try again.")
        if member.compress_type not in _PLAIN_METHODS:
            raise DocumentUnreadable("A part is compressed in a way that is not read here.")
        content = bytearray()
        allowed_bytes = max(_HARMLESS_BYTES, self._limits.archive_ratio * max(member.compress_size, 1))
        try:
            with self._archive.open(member) as source:
                while chunk := source.read(_CHUNK_BYTES):
                    content += chunk
                    self._expanded_bytes += len(chunk)
                    if len(content) > allowed_bytes:
                        raise _expands_too_much(self._limits)
                    if self._expanded_bytes > self._limits.archive_bytes:
                        raise _too_large(self._limits)
        except _ZIP_ERRORS as error:
            raise DocumentUnreadable(self._damaged) from error
        return bytes(content)


def open_package(data: bytes, limits: ReadingLimits, damaged: str) -> Package:
    """The archive in `data`; `damaged` is said where it cannot be opened.

    Raises `DocumentUnreadable` and, for more members or bytes than allowed, `PayloadTooLarge`.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except _ZIP_ERRORS as error:
        raise DocumentUnreadable(damaged) from error
    if len(members) > limits.archive_members:
        raise PayloadTooLarge(
            f"The archive or document has {len(members)} parts; at most {limits.archive_members} are read."
        )
    total_bytes = sum(member.file_size for member in members)
    if total_bytes > limits.archive_bytes:
        raise _too_large(limits)
    for member in members:
        if member.file_size > max(_HARMLESS_BYTES, limits.archive_ratio * member.compress_size):
            raise _expands_too_much(limits)
    # Members that share their bytes keep the ratio one by one, but not together.
    if total_bytes > max(_HARMLESS_BYTES, limits.archive_ratio * len(data)):
        raise _expands_too_much(limits)
    return Package({m.filename: m for m in members if not m.is_dir()}, archive, limits, damaged)


def open_document(data: bytes, limits: ReadingLimits, damaged: str) -> Package:
    """As `open_package`, for the package of one document: with nothing encrypted and no archive in it."""
    package = open_package(data, limits, damaged)
    for name, member in package.members.items():
        if member.flag_bits & 1:
            raise DocumentUnreadable("The document needs a password; remove it and try again.")
        if member.compress_type not in _PLAIN_METHODS:
            raise DocumentUnreadable("A part of the document is compressed in a way that is not read here.")
        # Office programs keep embedded sheets there; they are never opened.
        if name.lower().endswith(_ARCHIVES) and not name.startswith(_EMBEDDED):
            raise DocumentUnreadable("The document holds another archive, which is not opened.")
    return package


def repacked(package: Package, change: Callable[[str, bytes], bytes]) -> bytes:
    """The archive again, uncompressed, each member as `change` makes it of its name and content."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as rewritten:
        for name in package.members:
            rewritten.writestr(name, change(name, package.read(name)))
    return target.getvalue()


def _too_large(limits: ReadingLimits) -> PayloadTooLarge:
    size = limits.archive_bytes
    words = f"{size // _MIB} MiB" if size >= _MIB else f"{size} bytes"
    return PayloadTooLarge(f"The archive or document expands to more than {words}.")


def _expands_too_much(limits: ReadingLimits) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The archive or document, or a part of it, expands more than {limits.archive_ratio} times."
    )
