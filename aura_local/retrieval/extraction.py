"""What the isolated worker does with a document, and the bytes in which it reports the result.

    request    u32 length + name (UTF-8), then the file
    response   media type, title, warning (each u32 length + UTF-8), then per block:
               u8 kind, u8 level, u32 page, u32 length + text (UTF-8)

Little-endian. The parent checks every field: the worker has been through untrusted bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, get_args

from aura_local.errors import DocumentUnreadable, PayloadTooLarge
from aura_local.retrieval.readers.block import BLOCK_KINDS, Block, Reading
from aura_local.retrieval.readers.docx import read_docx
from aura_local.retrieval.readers.encodings import decode_text
from aura_local.retrieval.readers.html import read_html
from aura_local.retrieval.readers.markdown import read_markdown
from aura_local.retrieval.readers.media_type import MediaType, binary_media_type, text_media_type
from aura_local.retrieval.readers.pdf import read_pdf
from aura_local.retrieval.readers.text import read_text

TEXT_LIMIT_BYTES: Final = 20 * 1024 * 1024
BLOCK_LIMIT: Final = 200_000
RESPONSE_LIMIT_BYTES: Final = TEXT_LIMIT_BYTES + BLOCK_LIMIT * 16

_LENGTH: Final = struct.Struct("<I")
_BLOCK: Final = struct.Struct("<BBI")
_MEDIA_TYPES: Final[tuple[MediaType, ...]] = get_args(MediaType)


def encode_request(name: str, data: bytes) -> bytes:
    return _with_length(name) + data


def extract_in_worker(request: bytes) -> bytes:
    """The job `document.extract`. Raises `UnsupportedMedia`, `DocumentUnreadable`, `PayloadTooLarge`."""
    name, position = _read_text(request, 0)
    media_type, reading = read_document(request[position:], name)
    body = bytearray()
    text_bytes = 0
    for count, block in enumerate(reading.blocks, start=1):
        encoded = _with_length(block.text)
        text_bytes += len(encoded)
        if text_bytes > TEXT_LIMIT_BYTES or count > BLOCK_LIMIT:
            raise PayloadTooLarge(f"The document holds more than {TEXT_LIMIT_BYTES // 1024**2} MiB of text.")
        body += _BLOCK.pack(BLOCK_KINDS.index(block.kind), block.level, block.page) + encoded
    if not body:
        raise DocumentUnreadable("The document has no text.")
    head = (media_type, reading.title[:500], " ".join(reading.warnings)[:500])
    return b"".join(map(_with_length, head)) + body


def read_document(data: bytes, name: str) -> tuple[MediaType, Reading]:
    """Find out what `data` is and hand it to its reader."""
    if not data.strip():
        raise DocumentUnreadable("The file is empty.")
    media_type = binary_media_type(data)
    if media_type == "application/pdf":
        return media_type, read_pdf(data)
    if media_type is not None:
        return media_type, read_docx(data)
    html_by_name = name.lower().endswith((".html", ".htm", ".xhtml"))
    text = decode_text(data, declared_in_html=html_by_name or b"<html" in data[:4096].lower())
    media_type = text_media_type(text, name)
    readers = {"text/html": read_html, "text/markdown": read_markdown, "text/plain": read_text}
    return media_type, readers[media_type](text)


def decode_response(response: bytes) -> tuple[MediaType, str, str, tuple[Block, ...]]:
    """Media type, title, warning and blocks. Raises `ValueError` for anything but a sound response."""
    try:
        media_type, position = _read_text(response, 0)
        title, position = _read_text(response, position)
        warning, position = _read_text(response, position)
        blocks = tuple(_read_blocks(response, position))
    except (struct.error, IndexError) as error:
        raise ValueError("the response is cut short") from error
    known = next((one for one in _MEDIA_TYPES if one == media_type), None)
    if known is None or not blocks:
        raise ValueError("the response names no known media type or holds no text")
    return known, title, warning, blocks


def _read_blocks(response: bytes, position: int) -> Iterator[Block]:
    count = 0
    while position < len(response):
        kind, level, page = _BLOCK.unpack_from(response, position)
        text, position = _read_text(response, position + _BLOCK.size)
        count += 1
        if count > BLOCK_LIMIT or level > 6 or not text:
            raise ValueError("the response holds an impossible block")
        yield Block(BLOCK_KINDS[kind], text, level=level, page=page)


def _with_length(text: str) -> bytes:
    encoded = text.encode("utf-8", "replace")  # a lone surrogate is no text
    return _LENGTH.pack(len(encoded)) + encoded


def _read_text(message: bytes, position: int) -> tuple[str, int]:
    (length,) = _LENGTH.unpack_from(message, position)
    start = position + _LENGTH.size
    if start + length > len(message):
        raise ValueError("the message is cut short")
    return message[start : start + length].decode("utf-8"), start + length
