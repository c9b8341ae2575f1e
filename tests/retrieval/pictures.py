"""Image files with text on them, as cameras and scanners make them, and headers that promise too much."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pypdfium2
from PIL import Image

from tests.retrieval.documents import pdf

DOTS_PER_INCH = 150


def drawn(text: str, mode: str = "L") -> Image.Image:
    """A page of A4 with the text on it."""
    (page,) = pypdfium2.PdfDocument(pdf([text]))
    picture: Image.Image = page.render(scale=DOTS_PER_INCH / 72).to_pil().convert(mode)
    return picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def pages(*texts: str, **options: Any) -> bytes:
    """A TIFF of several pages."""
    first, *others = (drawn(text) for text in texts)
    return encoded(first, "TIFF", save_all=True, append_images=others, **options)


def promised_png(width: int, height: int, colour_type: int = 2) -> bytes:
    """A few bytes that would become width x height pixels (2: red, green, blue; 0: grey)."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)),
            (b"IDAT", zlib.compress(bytes(1_000_000))),
            (b"IEND", b""),
        )
    )


def promised_tiff(*sizes: tuple[int, int]) -> bytes:
    """One page per size, without any pixels."""
    whole = bytearray(b"II*\x00" + struct.pack("<I", 8))
    for number, (width, height) in enumerate(sizes, start=1):
        tags = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (278, height), (279, 8))
        whole += struct.pack("<H", len(tags))
        for tag, value in tags:
            whole += struct.pack("<HHII", tag, 4, 1, value)
        whole += struct.pack("<I", len(whole) + 4 if number < len(sizes) else 0)
    return bytes(whole)


def promised_webp(width: int, height: int, kind: bytes) -> bytes:
    """The header of each kind of WebP."""
    if kind == b"VP8X":
        start = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == b"VP8L":
        start = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + bytes(5)
    else:
        start = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    chunk = kind + struct.pack("<I", len(start)) + start
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
