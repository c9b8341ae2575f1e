"""Reads pages that are pictures: pdfium draws them, tesseract recognises their text. Layer 2.

Runs inside the one-shot worker, in its process: libtesseract comes with the package `tesserocr`, so that no
program is started. A densely written page costs one to two seconds; what the worker's time does not suffice
for is left out and counted, rather than losing the whole document.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.pdf_lines import Line
from aura_local.retrieval.readers.recognition import missing_for

_POINTS_PER_INCH: Final = 72
_DOTS_PER_INCH: Final = 300
"""What tesseract's models are trained for; larger pages are drawn more coarsely."""
DRAWN_PIXELS: Final = 20_000_000
"""Most that one page is drawn into, a byte each: an A3 page at 300 dots per inch has 17 million."""
STORED_PIXELS: Final = 80_000_000
"""Most that the pictures of one page may hold, up to four bytes each, while pdfium draws it."""
_SHARE_OF_TIME: Final = 0.8
"""Of the worker's limits; the rest is for reading, cutting and the page that is under way."""
_PAGE_S: Final = 10.0
_SURE_PERCENT: Final = 50.0
"""Lines that tesseract is less sure of are specks and patterns (measured: text of a scan has 85 or more)."""
_BODY: Final = (0.7, 1.35)
"""Heights of recognised lines vary with their letters; those within this range of the usual are equal."""
_NO_TEXT: Final = (
    "The PDF has no text layer (scanned?); run text recognition on it, for example with tesseract, and add "
    "the result."
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn page: one byte per pixel, rows from the top."""

    pixels: bytes
    width: int
    height: int
    row_bytes: int
    pixels_per_point: float


class ScannedPages:
    """Recognises the pages of one document, as long as its time lasts."""

    def __init__(self, limits: ReadingLimits) -> None:
        self._wish = limits.recognition
        self._until_s = time.monotonic() + _SHARE_OF_TIME * limits.wall_s
        self._until_cpu_s = time.process_time() + _SHARE_OF_TIME * limits.cpu_s
        self._tesseract: Any = None
        self._missing: str | None = None
        self._body_points = 0.0
        self._recognised = 0
        self.left_out = 0
        """Pages that were not recognised for want of time or for their size."""

    def lines(self, page: Any, number: int) -> list[Line]:
        """The lines of a `pypdfium2.PdfPage` without a text layer, in reading order.

        Empty where nothing is drawn on it, recognition is not wanted or not possible, or no time is left.
        Raises `PdfiumError`.
        """
        import pypdfium2.raw as pdfium

        if pdfium.FPDFPage_CountObjects(page.raw) <= 0:
            return []
        return self.recognise(lambda: _drawn(page) if _stored_pixels(page) <= STORED_PIXELS else None, number)

    def recognise(self, draw: Callable[[], Picture | None], number: int) -> list[Line]:
        """The lines of a picture, which is drawn only where there is time; None is one that is too large.

        Empty as with `lines`. Raises what `draw` does.
        """
        if not self._ready():
            return []
        left_s = min(self._until_s - time.monotonic(), self._until_cpu_s - time.process_time(), _PAGE_S)
        picture = draw() if left_s > 0 else None
        if picture is None:
            self.left_out += 1
            return []
        self._tesseract.SetImageBytes(picture.pixels, picture.width, picture.height, 1, picture.row_bytes)
        self._tesseract.SetSourceResolution(round(picture.pixels_per_point * _POINTS_PER_INCH))
        if not self._tesseract.Recognize(1 + int(left_s * 1000)):
            self.left_out += 1
            return []
        lines = self._levelled(list(_found(self._tesseract, picture, number)))
        self._recognised += bool(lines)
        return lines

    def missing(self) -> str:
        """What recognition lacks and how to get it; empty where it lacks nothing or is not wanted."""
        return self._missing or (missing_for(self._wish) if self._wish is not None else "")

    def failure(self) -> str:
        """Why a document whose pages are all without text cannot be read."""
        missing = self.missing()
        if self._wish is None or missing:
            return f"{_NO_TEXT} {missing}".strip()
        if self.left_out:
            return f"The PDF has no text layer. {self.left_out_sentence()}"
        return "The PDF has no text layer, and no text was recognised on its pages."

    def warnings(self, page_count: int) -> Iterator[str]:
        """What whoever reads the text has to know."""
        if self._recognised:
            yield f"The text of {self._recognised} of {page_count} pages was recognised and may hold errors."
        if self.left_out:
            yield self.left_out_sentence()

    def left_out_sentence(self) -> str:
        """How many pages were left out, and why."""
        return (
            f"{self.left_out} scanned pages are too large or did not fit into the time that documents.cpu_s "
            "and documents.wall_s allow."
        )

    def _ready(self) -> bool:
        if self._missing is None:
            self._missing = "" if self._wish is None else missing_for(self._wish)
            if self._wish is not None and not self._missing:
                import tesserocr

                try:
                    self._tesseract = tesserocr.PyTessBaseAPI(
                        path=str(self._wish.data), lang="+".join(self._wish.languages)
                    )
                except RuntimeError:  # a damaged file
                    self._missing = "The language data in documents.recognition_data cannot be opened."
        return self._tesseract is not None

    def _levelled(self, lines: list[Line]) -> list[Line]:
        """With one height for the body's lines, on this page and from page to page."""
        if not lines:
            return []
        usual = median(line.height for line in lines for _ in line.text)
        if not _BODY[0] < usual / (self._body_points or usual) < _BODY[1] or not self._body_points:
            self._body_points = usual
        return [
            replace(line, height=self._body_points)
            if _BODY[0] < line.height / self._body_points < _BODY[1]
            else line
            for line in lines
        ]


def _stored_pixels(page: Any) -> int:
    import pypdfium2.raw as pdfium

    total = 0
    for picture in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3):
        width, height = picture.get_px_size()
        total += width * height
        if total > STORED_PIXELS:
            break
    return total


def _drawn(page: Any) -> Picture:
    width, height = (max(1.0, side) for side in page.get_size())
    scale = min(_DOTS_PER_INCH / _POINTS_PER_INCH, (DRAWN_PIXELS / (width * height)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        return Picture(bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride, scale)
    finally:
        bitmap.close()


def _found(tesseract: Any, picture: Picture, number: int) -> Iterator[Line]:
    import tesserocr

    level = tesserocr.RIL.TEXTLINE
    for place in tesserocr.iterate_level(tesseract.GetIterator(), level):
        if place.Empty(level) or place.Confidence(level) < _SURE_PERCENT:
            continue
        text = " ".join(place.GetUTF8Text(level).split())
        box, baseline = place.BoundingBox(level), place.Baseline(level)
        if not any(character.isalnum() for character in text) or box is None or baseline is None:
            continue
        (_, start), (_, end) = baseline
        scale = picture.pixels_per_point
        yield Line(
            text,
            number,
            height=max(0.1, place.RowAttributes()["row_height"] / scale),
            left=box[0] / scale,
            right=box[2] / scale,
            bottom=(picture.height - (start + end) / 2) / scale,
        )
