"""Reads pictures of text, such as photos and faxes, by recognition: PNG, JPEG, WebP, TIFF. Layer 2.

Runs inside the one-shot worker. Pillow decodes, restricted to these formats; how large a picture becomes is
told by its header and checked before that.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from aura_local.errors import DocumentUnreadable, PayloadTooLarge
from aura_local.retrieval.readers.block import Block, Reading
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.pdf_layout import layout_blocks
from aura_local.retrieval.readers.pdf_lines import Line
from aura_local.retrieval.readers.scanned_pages import DRAWN_PIXELS, STORED_PIXELS, Picture, ScannedPages

_FORMATS: Final = ("PNG", "JPEG", "TIFF", "WEBP")
_DECODED_BYTES: Final = 160_000_000
"""Most that a decoded picture may take; Pillow keeps a byte for a grey pixel and four for a coloured one."""
_WEBP_BYTES_PER_PIXEL: Final = 16
"""libwebp keeps two canvases beside the picture and its copy."""
_PAGE_POINTS: Final = 842
"""A picture is taken for a page as long as A4: what it says of its own resolution is rarely true."""
_DAMAGED: Final = "The image is damaged or cut short and cannot be read."
_BROKEN: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,
    LookupError,
    ArithmeticError,
    struct.error,
)
"""What Pillow raises for damaged pictures."""


def read_image(data: bytes, limits: ReadingLimits) -> Reading:
    """Each picture of a TIFF is a page, other images have none; raises as `extract_in_worker`."""
    scanned = ScannedPages(limits)
    if limits.recognition is None:
        raise DocumentUnreadable(
            "The text of an image is read by recognition alone, which documents.recognise_text turns off."
        )
    if missing := scanned.missing():
        raise DocumentUnreadable(f"The text of an image is read by recognition, which is lacking. {missing}")
    _refuse_large_webp(data)
    notes: list[str] = []
    return Reading("", _blocks(data, limits, scanned, notes), notes)


def _blocks(data: bytes, limits: ReadingLimits, scanned: ScannedPages, notes: list[str]) -> Iterator[Block]:
    image = _opened(data)
    page_count = _page_count(image, limits)
    lines: list[Line] = []
    broken_pages = characters = 0
    for number in range(1, page_count + 1):
        try:
            found = scanned.recognise(partial(_decoded, image, number), number if page_count > 1 else 0)
        except DocumentUnreadable:
            broken_pages += 1
            continue
        lines.extend(found)
        characters += sum(len(line.text) for line in found)
        if characters > limits.text_bytes:
            raise PayloadTooLarge("The image holds more text than is read.")
    if not lines:
        raise DocumentUnreadable(_DAMAGED if broken_pages else _reason(scanned))
    notes.extend(scanned.warnings(page_count))
    if broken_pages:
        notes.append(f"{broken_pages} of {page_count} pages could not be read.")
    yield from layout_blocks(lines)


def _reason(scanned: ScannedPages) -> str:
    left_out = scanned.left_out_sentence() if scanned.left_out else ""
    return scanned.missing() or left_out or "No text was recognised in the image."


def _opened(data: bytes) -> Any:
    """A `PIL.Image.Image` of which only the header was read."""
    from PIL import Image

    with _pillow():
        return Image.open(io.BytesIO(data), formats=_FORMATS)


def _page_count(image: Any, limits: ReadingLimits) -> int:
    """Walks along the headers of a TIFF, at most to one page beyond what is read."""
    count = 1
    while image.format == "TIFF":
        try:
            with _pillow():
                image.seek(count)
        except DocumentUnreadable:  # the end, or nothing but rubbish from here on
            break
        count += 1
        if count > limits.pages:
            raise PayloadTooLarge(f"The image has more than {limits.pages} pages, which is the most read.")
    return count


def _decoded(image: Any, number: int) -> Picture:
    """One page in shades of grey, upright, where it is transparent white."""
    from PIL import ImageOps

    with _pillow():
        image.seek(number - 1)
        size = image.size
        image.draft("L", _within(*size))  # the decoder of JPEG makes less of it where less will do
        grey_bytes = image.width * image.height
        decoded_bytes = grey_bytes if image.mode in ("1", "L", "P") else 4 * grey_bytes
        if size[0] * size[1] > STORED_PIXELS or decoded_bytes > _DECODED_BYTES:
            raise _too_large()
        image.load()
        shades = _grey(image)
        shades.info = {"exif": image.info["exif"]} if "exif" in image.info else {}
        shades = ImageOps.exif_transpose(shades)
        shades.thumbnail(_within(*shades.size))
    scale = max(1.0, max(shades.size) / _PAGE_POINTS)
    return Picture(shades.tobytes(), shades.width, shades.height, shades.width, scale)


def _grey(image: Any) -> Any:
    from PIL import Image

    if image.mode.startswith("I;16"):  # 65536 shades, which `convert` would cut off at 255
        return image.convert("I").point(lambda shade: shade / 256).convert("L")
    if not image.has_transparency_data:
        return image.convert("L")
    whole = image.convert("RGBA")
    shades = Image.new("L", whole.size, 255)
    shades.paste(whole.convert("L"), mask=whole.getchannel("A"))
    return shades


def _within(width: int, height: int) -> tuple[int, int]:
    """The size at which a picture has no more pixels than are recognised."""
    scale = min(1.0, (DRAWN_PIXELS / max(1, width * height)) ** 0.5)
    return max(1, int(width * scale)), max(1, int(height * scale))


def _refuse_large_webp(data: bytes) -> None:
    """Before Pillow opens it, which allocates the canvas; RFC 9649 describes the bytes."""
    kind, start = data[12:16], data[20:30]
    if data[:4] != b"RIFF" or len(start) < 10:
        return
    if kind == b"VP8X":
        width = int.from_bytes(start[4:7], "little") + 1
        height = int.from_bytes(start[7:10], "little") + 1
    elif kind == b"VP8L":
        bits = int.from_bytes(start[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (int.from_bytes(start[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    if width * height * _WEBP_BYTES_PER_PIXEL > _DECODED_BYTES:
        raise _too_large()


@contextmanager
def _pillow() -> Iterator[None]:
    """Makes errors of Pillow ours, and its warnings silent."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _too_large() from error
        except _BROKEN as error:
            raise DocumentUnreadable(_DAMAGED) from error


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge("The image has more pixels than are read; make it smaller.")
