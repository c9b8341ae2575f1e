"""Reads the text layer of PDF with pdfium, and pages that have none as pictures. Layer 2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from aura_local.errors import DocumentUnreadable, PayloadTooLarge
from aura_local.retrieval.readers.block import Block, Reading, one_line
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.pdf_layout import layout_blocks
from aura_local.retrieval.readers.pdf_lines import Line, page_lines
from aura_local.retrieval.readers.scanned_pages import ScannedPages

_DAMAGED: Final = "The PDF is damaged and cannot be opened."


def read_pdf(data: bytes, limits: ReadingLimits) -> Reading:
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise DocumentUnreadable("The PDF needs a password; remove it and try again.") from error
        if error.err_code == pdfium.FPDF_ERR_SECURITY:
            raise DocumentUnreadable("The PDF is encrypted in a way that is not read here.") from error
        raise DocumentUnreadable(_DAMAGED) from error
    page_count = len(document)
    if page_count == 0:
        raise DocumentUnreadable("The PDF has no pages.")
    if page_count > limits.pages:
        raise PayloadTooLarge(f"The PDF has {page_count} pages; at most {limits.pages} are read.")
    warnings: list[str] = []
    title = one_line(document.get_metadata_value("Title") or "")
    return Reading(title, _blocks(document, page_count, limits, warnings), warnings)


def _blocks(document: Any, page_count: int, limits: ReadingLimits, warnings: list[str]) -> Iterator[Block]:
    import pypdfium2

    lines: list[Line] = []
    scanned = ScannedPages(limits)
    unreadable_pages = empty_pages = characters = 0
    for number in range(1, page_count + 1):
        before = len(lines)
        try:
            page = document[number - 1]
            try:
                for line in _lines(page, number, scanned):
                    lines.append(line)
                    characters += len(line.text)
                    if characters > limits.text_bytes:
                        raise PayloadTooLarge("The PDF holds more text than is read.")
            finally:
                page.close()
        except pypdfium2.PdfiumError:
            unreadable_pages += 1
        else:
            empty_pages += len(lines) == before
    if not lines:
        raise DocumentUnreadable(_DAMAGED if unreadable_pages else scanned.failure())
    warnings.extend(scanned.warnings(page_count))
    if unreadable_pages:
        warnings.append(f"{unreadable_pages} of {page_count} pages could not be read.")
    if 2 * empty_pages > page_count and not scanned.left_out:
        warnings.append(f"{empty_pages} of {page_count} pages have no text (scanned?).")
    yield from layout_blocks(lines)


def _lines(page: Any, number: int, scanned: ScannedPages) -> Iterator[Line]:
    found = False
    for line in page_lines(page, number):
        found = True
        yield line
    if not found:
        yield from scanned.lines(page, number)
