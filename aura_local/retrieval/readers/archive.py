"""Reads a ZIP archive of documents as one document: each member a heading with its path. Layer 2."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from aura_local.errors import DocumentUnreadable, PayloadTooLarge, UnreadableInput
from aura_local.retrieval.readers.block import Block, Reading, one_line
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.media_type import READ_HERE
from aura_local.retrieval.readers.package import Package, open_package

_DAMAGED: Final = "The archive is damaged or cut short and cannot be opened."
_WARNINGS: Final = 5
_LITTER: Final = ("__MACOSX/", ".DS_Store", "Thumbs.db")
_PATH_CHARACTERS: Final = 300


def read_archive(data: bytes, limits: ReadingLimits) -> Reading:
    """Members that cannot be read become warnings; an archive without a single readable one is refused."""
    package = open_package(data, limits, _DAMAGED)
    warnings: list[str] = []
    return Reading("", _blocks(package, limits, warnings), warnings)


def _blocks(package: Package, limits: ReadingLimits, warnings: list[str]) -> Iterator[Block]:
    found = False
    reasons: list[str] = []
    for name, member in package.members.items():
        if name.startswith(_LITTER) or name.endswith(_LITTER):
            continue
        path = shown_path(name)
        try:
            for block in _member(package, name, member, path, limits):
                found = True
                yield block
        except (UnreadableInput, PayloadTooLarge) as error:
            if package.exhausted:
                raise
            reasons.append(f"{path}: {error.message}")
    if not found:
        raise DocumentUnreadable(
            f"The archive holds nothing that can be read ({READ_HERE})."
            + (f" {reasons[0]}" if reasons else "")
        )
    warnings.extend(reasons[:_WARNINGS])
    if len(reasons) > _WARNINGS:
        warnings.append(f"{len(reasons) - _WARNINGS} more files could not be read.")


def _member(
    package: Package, name: str, member: zipfile.ZipInfo, path: str, limits: ReadingLimits
) -> Iterator[Block]:
    from aura_local.retrieval.readers.document import read_document

    if stat.S_ISLNK(member.external_attr >> 16):
        raise DocumentUnreadable("A link is not followed.")
    _, reading = read_document(package.read(name), path, limits, inside_archive=True)
    titled = False
    for block in reading.blocks:
        if not titled:  # only once there is something below it
            yield Block("heading", path, level=1)
            titled = True
        yield replace(block, level=min(6, block.level + 1)) if block.kind == "heading" else block
    if reading.warnings:
        raise DocumentUnreadable(" ".join(reading.warnings))


def shown_path(name: str) -> str:
    """The path of a member as a text; that it leads nowhere near a file is a matter of course."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return one_line("/".join(parts))[-_PATH_CHARACTERS:] or "unnamed"
