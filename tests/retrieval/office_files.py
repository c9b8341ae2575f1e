"""Builds presentations, workbooks, e-books, OpenDocument texts and messages that the tests read."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any

import openpyxl
import pptx
from pptx.util import Inches

from tests.retrieval.documents import archive

CONTENT_NAMESPACES = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
)


def slides(titles: Sequence[str] = ("Tickets", "Tours")) -> bytes:
    """A slide per title, each with two points; the first has a table and notes."""
    presentation = pptx.Presentation()
    for title in titles:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text_frame.text = "Children are free."
        slide.placeholders[1].text_frame.add_paragraph().text = "Adults pay ten euros."
    first = presentation.slides[0]
    table = first.shapes.add_table(2, 2, Inches(1), Inches(4), Inches(4), Inches(1)).table
    for n, text in enumerate(("Day", "Hours", "Monday", "closed")):
        table.cell(n // 2, n % 2).text = text
    first.notes_slide.notes_text_frame.text = "Mention the discount."
    return _saved(presentation)


def workbook(
    sheets: Mapping[str, Sequence[Sequence[Any]]], formats: Mapping[str, str] | None = None
) -> bytes:
    """Sheets of rows; `formats` gives cells of the first sheet a number format."""
    book = openpyxl.Workbook()
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.remove(book.worksheets[0])
    for cell, number_format in (formats or {}).items():
        book.worksheets[0][cell].number_format = number_format
    return _saved(book)


def odt(content: str, **more: bytes) -> bytes:
    """An OpenDocument text with this inside its `office:text`."""
    whole = (
        f"<office:document-content {CONTENT_NAMESPACES}><office:body><office:text>{content}"
        "</office:text></office:body></office:document-content>"
    )
    return odt_of(whole.encode(), **more)


def odt_of(content: bytes, **more: bytes) -> bytes:
    mimetype = b"application/vnd.oasis.opendocument.text"
    return stored({"mimetype": mimetype, "content.xml": content, **more})


def epub(chapters: Mapping[str, str], *, opf_head: str = "") -> bytes:
    """An e-book with these chapters (name -> XHTML) in this order."""
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    )
    items = "".join(f'<item id="c{n}" href="{name}"/>' for n, name in enumerate(chapters))
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    opf = (
        f'{opf_head}<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>The guide'
        f"</dc:title></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    return stored(
        {
            "mimetype": b"application/epub+zip",
            "META-INF/container.xml": container.encode(),
            "OEBPS/book.opf": opf.encode(),
            **{f"OEBPS/{name}": text.encode() for name, text in reversed(list(chapters.items()))},
        }
    )


def message(text: str | None, html: str | None = None) -> bytes:
    """A message with an attachment."""
    mail = EmailMessage()
    mail["Subject"] = "Opening hours für Pfingsten"
    mail["From"] = "Ann <ann@example.org>"
    mail["To"] = "desk@example.org"
    mail["Date"] = "Mon, 01 Jun 2026 09:00:00 +0200"
    if text is not None:
        mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
    mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="plan.pdf")
    return mail.as_bytes()


def stored(members: Mapping[str, bytes]) -> bytes:
    """A ZIP archive, nothing in it compressed."""
    return archive(dict(members), compressed=False)


def _saved(file: Any) -> bytes:
    target = io.BytesIO()
    file.save(target)
    return target.getvalue()
