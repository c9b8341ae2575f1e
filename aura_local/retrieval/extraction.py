"""What the isolated worker does with a document, and the bytes in which it reports the result. Layer 2.

    request    packed limits, recognition and name (each u32 length + UTF-8), then the file
    response   media type, title, warning (each u32 length + UTF-8), then per block:
               u8 kind, u8 level, u32 page, u32 length + text (UTF-8)

Little-endian. The parent checks every field: the worker has been through untrusted bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, get_args

from aura_local.errors import DocumentUnreadable, PayloadTooLarge
from aura_local.retrieval.readers.block import BLOCK_KINDS, Block
from aura_local.retrieval.readers.document import read_document
from aura_local.retrieval.readers.limits import PACKED_LIMITS_BYTES, ReadingLimits, unpacked
from aura_local.retrieval.readers.media_type import MediaType

BLOCK_LIMIT: Final = 200_000

_LENGTH: Final = struct.Struct("<I")
_BLOCK: Final = struct.Struct("<BBI")
_HEAD_BYTES: Final = 8_192
_MEDIA_TYPES: Final[tuple[MediaType, ...]] = get_args(MediaType)


def encode_request(name: str, data: bytes, limits: ReadingLimits) -> bytes:
    """The request to read `data`; only the bounds that the reader itself must know travel."""
    recognition = "" if limits.recognition is None else limits.recognition.packed()
    return b"".join((limits.packed(), _with_length(recognition), _with_length(name), data))


def response_limit_bytes(limits: ReadingLimits) -> int:
    """Length of the longest response within `limits`."""
    return _HEAD_BYTES + limits.text_bytes + BLOCK_LIMIT * (_BLOCK.size + _LENGTH.size)


def extract_in_worker(request: bytes) -> bytes:
    """The job `document.extract`. Raises `UnsupportedMedia`, `DocumentUnreadable`, `PayloadTooLarge`."""
    recognition, position = _read_text(request, PACKED_LIMITS_BYTES)
    limits = unpacked(request[:PACKED_LIMITS_BYTES], recognition)
    name, position = _read_text(request, position)
    media_type, reading = read_document(request[position:], name, limits)
    body = bytearray()
    text_bytes = 0
    for count, block in enumerate(reading.blocks, start=1):
        encoded = _with_length(block.text)
        text_bytes += len(encoded) - _LENGTH.size
        if text_bytes > limits.text_bytes:
            raise PayloadTooLarge(f"The document holds more than {_in_words(limits.text_bytes)} of text.")
        if count > BLOCK_LIMIT:
            raise PayloadTooLarge(f"The document has more than {BLOCK_LIMIT} paragraphs or rows.")
        body += _BLOCK.pack(BLOCK_KINDS.index(block.kind), block.level, block.page) + encoded
    if not body:
        raise DocumentUnreadable("The document has no text.")
    head = (media_type, reading.title[:500], " ".join(reading.warnings)[:500])
    return b"".join(map(_with_length, head)) + body


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
        if count > BLOCK_LIMIT or level > 6 or not text or "\n" in (text[0], text[-1]):
            raise ValueError("the response holds an impossible block")
        yield Block(BLOCK_KINDS[kind], text, level=level, page=page)


def _in_words(size_bytes: int) -> str:
    return f"{size_bytes // 1024**2} MiB" if size_bytes >= 1024**2 else f"{size_bytes} bytes"


def _with_length(text: str) -> bytes:
    encoded = text.encode("utf-8", "replace")  # a lone surrogate is no text
    return _LENGTH.pack(len(encoded)) + encoded


def _read_text(message: bytes, position: int) -> tuple[str, int]:
    (length,) = _LENGTH.unpack_from(message, position)
    start = position + _LENGTH.size
    if start + length > len(message):
        raise ValueError("the message is cut short")
    return message[start : start + length].decode("utf-8"), start + length
