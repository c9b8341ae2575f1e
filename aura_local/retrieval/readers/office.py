"""Checks the package of a Word, PowerPoint or Excel file before its library opens it. Layer 2."""

from __future__ import annotations

from typing import Final

from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.package import open_document, repacked

_STRICT_AREA: Final = b"http://purl.oclc.org/ooxml/"
_TRANSITIONAL_AREA: Final = b"http://schemas.openxmlformats.org/"
_NAMES: Final = (
    (b"officeDocument/relationships", b"officeDocument/2006/relationships"),
    (b"officeDocument/docPropsVTypes", b"officeDocument/2006/docPropsVTypes"),
    (b"officeDocument/extendedProperties", b"officeDocument/2006/extended-properties"),
    (b"wordprocessingml/main", b"wordprocessingml/2006/main"),
    (b"presentationml/main", b"presentationml/2006/main"),
    (b"spreadsheetml/main", b"spreadsheetml/2006/main"),
    (b"drawingml/main", b"drawingml/2006/main"),
)


def checked_office_file(data: bytes, limits: ReadingLimits, damaged: str) -> bytes:
    """The package, with the strict variant of OOXML rewritten to the transitional one that is read.

    Raises `DocumentUnreadable` and `PayloadTooLarge`.
    """
    package = open_document(data, limits, damaged)
    if _STRICT_AREA not in package.read("_rels/.rels"):
        return data
    return repacked(package, _transitional)


def _transitional(name: str, content: bytes) -> bytes:
    if name.endswith((".xml", ".rels")):
        for strict, transitional in _NAMES:
            content = content.replace(_STRICT_AREA + strict, _TRANSITIONAL_AREA + transitional)
    return content
