"""Finds out what a file is and hands it to its reader. Layer 2.

Every reader is imported only when it is needed: a worker lives for one file, and most of its time would go
into importing what that file has no use for.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

from aura_local.errors import DocumentUnreadable, UnsupportedMedia
from aura_local.retrieval.readers.block import Reading
from aura_local.retrieval.readers.encodings import decode_text
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.media_type import (
    DOCX,
    EPUB,
    IMAGES,
    MAIL,
    ODT,
    PDF,
    PPTX,
    XLSX,
    ZIP,
    MediaType,
    binary_media_type,
    package_type,
    suffix_of,
    text_media_type,
)

_PACKAGE: Final = "aura_local.retrieval.readers"
_BINARY_READERS: Final[dict[MediaType, str]] = {
    PDF: "pdf:read_pdf",
    DOCX: "docx:read_docx",
    PPTX: "pptx:read_pptx",
    XLSX: "xlsx:read_xlsx",
    ODT: "odt:read_odt",
    EPUB: "epub:read_epub",
    ZIP: "archive:read_archive",
    "image/png": "image:read_image",
    "image/jpeg": "image:read_image",
    "image/tiff": "image:read_image",
    "image/webp": "image:read_image",
}
"""Called with the bytes and the limits."""
_TEXT_READERS: Final[dict[MediaType, str]] = {
    "text/plain": "text:read_text",
    "text/markdown": "markdown:read_markdown",
    "text/html": "html:read_html",
    "text/csv": "delimited:read_delimited",
    "application/json": "json_text:read_json",
}
"""Called with the decoded text."""


def read_document(
    data: bytes, name: str, limits: ReadingLimits, *, inside_archive: bool = False
) -> tuple[MediaType, Reading]:
    """What `data` is, and what it says. Raises as `extract_in_worker`; so does consuming the blocks."""
    if not data.strip():
        raise DocumentUnreadable("The file is empty.")
    media_type = binary_media_type(data)
    if media_type == ZIP:
        media_type = package_type(data)
        if media_type == ZIP and inside_archive:
            raise UnsupportedMedia("An archive inside an archive is not opened.")
    if media_type in IMAGES and inside_archive:  # mostly ornaments; each takes seconds
        raise UnsupportedMedia("An image inside an archive is not read; add it by itself.")
    if media_type is not None:
        return media_type, _call(_BINARY_READERS[media_type], data, limits)
    if suffix_of(name) != ".eml":  # each part of a message has an encoding of its own
        html_by_name = suffix_of(name) in (".html", ".htm", ".xhtml")
        text = decode_text(data, declared_in_html=html_by_name or b"<html" in data[:4096].lower())
        media_type = text_media_type(text, name)
        if media_type != MAIL:
            return media_type, _call(_TEXT_READERS[media_type], text)
    return MAIL, _call("mail:read_mail", data)


def _call(reader: str, *arguments: Any) -> Reading:
    module, _, function = reader.partition(":")
    reading: Reading = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), function)(*arguments)
    return reading
