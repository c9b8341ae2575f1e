"""The lines of text on a page of a PDF, with their places, as pdfium sees them. Layer 2."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_CELL_GAP: Final = 1.6
"""White space inside a line, in heights of the line, from which on it divides the cells of a table."""
_BOLD_WEIGHT: Final = 600
_DIVISION: Final = "\x02"
"""What pdfium makes of a hyphen at the end of a line, together with that end."""
_LINE_ENDS: Final = f"\r\n{_DIVISION}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; all measures in points, y growing upwards."""

    text: str
    """Ends with a soft hyphen (U+00AD) where a word is divided."""
    page: int
    height: float
    """Of its font, from descender to ascender."""
    left: float
    right: float
    bottom: float
    bold: bool = False
    cells: tuple[str, ...] = ()
    """Its parts where wide gaps divide it, else empty."""


def page_lines(page: Any, number: int) -> Iterator[Line]:
    """Lines of a `pypdfium2.PdfPage` in the order of its content; raises `PdfiumError`."""
    import pypdfium2.raw as pdfium

    text_page = page.get_textpage()
    try:
        raw = text_page.raw
        start, characters = 0, []
        for index in range(text_page.count_chars()):
            code = pdfium.FPDFText_GetUnicode(raw, index)
            character = chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else " "
            if character not in _LINE_ENDS:
                characters.append(character)
                continue
            if character == _DIVISION:
                characters.append("\xad")
            yield from _line(pdfium, raw, "".join(characters), start, number)
            start, characters = index + 1, []
        yield from _line(pdfium, raw, "".join(characters), start, number)
    finally:
        text_page.close()


def _line(pdfium: Any, raw: Any, text: str, start: int, page: int) -> Iterator[Line]:
    visible = [index for index, character in enumerate(text) if not character.isspace()]
    if not visible:
        return
    first, last = visible[0], visible[-1]
    left, _, bottom, top = _box(pdfium, raw, start + visible[len(visible) // 2])
    left, right = _box(pdfium, raw, start + first)[0], _box(pdfium, raw, start + last)[1]
    height = max(top - bottom, 0.1)
    yield Line(
        text[first : last + 1],
        page,
        height,
        left,
        right,
        bottom,
        _bold(pdfium, raw, start + first) and _bold(pdfium, raw, start + last),
        tuple(_cells(pdfium, raw, text[: last + 1], start, visible, height)),
    )


def _cells(pdfium: Any, raw: Any, text: str, start: int, visible: list[int], height: float) -> Iterator[str]:
    begin = visible[0]
    previous = begin
    cells: list[str] = []
    for index in visible[1:]:
        if index > previous + 1:
            gap = _box(pdfium, raw, start + index)[0] - _box(pdfium, raw, start + previous)[1]
            if gap > _CELL_GAP * height:
                cells.append(text[begin : previous + 1])
                begin = index
        previous = index
    if cells:
        yield from (*cells, text[begin:])


def _box(pdfium: Any, raw: Any, index: int) -> tuple[float, float, float, float]:
    rectangle = pdfium.FS_RECTF()
    if not pdfium.FPDFText_GetLooseCharBox(raw, index, ctypes.byref(rectangle)):
        return 0.0, 0.0, 0.0, 0.0
    return rectangle.left, rectangle.right, rectangle.bottom, rectangle.top


def _bold(pdfium: Any, raw: Any, index: int) -> bool:
    if pdfium.FPDFText_GetFontWeight(raw, index) >= _BOLD_WEIGHT:
        return True
    name = ctypes.create_string_buffer(128)
    length = pdfium.FPDFText_GetFontInfo(raw, index, name, 128, None)
    return 0 < length <= 128 and b"bold" in name.value.lower()
