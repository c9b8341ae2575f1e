"""Builds the documents that the tests read, good and bad."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

import docx
import pypdf
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject


def pdf(pages: Iterable[str], *, password: str | None = None, title: str | None = None) -> bytes:
    """A PDF with one line of text per line of each page; a page of "" has no text layer."""
    writer = pypdf.PdfWriter()
    for text in pages:
        page = writer.add_blank_page(595, 842)
        if text:
            font = DictionaryObject(
                {
                    NameObject("/Type"): NameObject("/Font"),
                    NameObject("/Subtype"): NameObject("/Type1"),
                    NameObject("/BaseFont"): NameObject("/Helvetica"),
                }
            )
            fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
            page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
            content = DecodedStreamObject()
            lines = "".join(f"({line}) Tj T* " for line in text.split("\n"))
            content.set_data(f"BT /F1 12 Tf 14 TL 50 780 Td {lines}ET".encode("latin-1"))
            page[NameObject("/Contents")] = writer._add_object(content)
    if title is not None:
        writer.add_metadata({"/Title": title})
    if password is not None:
        writer.encrypt(password, algorithm="AES-256")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def word() -> bytes:
    """A Word document with a title, headings, a list and a table with a merged cell."""
    document = docx.Document()
    document.core_properties.title = "House rules"
    document.add_heading("Rules", level=1)
    document.add_paragraph("Dogs stay outside.")
    document.add_paragraph("No flash.", style="List Bullet")
    document.add_heading("Fees", level=2)
    table = document.add_table(rows=2, cols=2)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "Prices"
    table.cell(1, 0).text = "Locker"
    table.cell(1, 1).text = "one euro"
    document.add_paragraph("Thank you.")
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def repacked(package: bytes, changes: dict[str, bytes]) -> bytes:
    """The same archive with members added or replaced."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(package)) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for member in source.infolist():
            if member.filename not in changes:
                archive.writestr(member.filename, source.read(member))
        for name, content in changes.items():
            archive.writestr(name, content)
    return target.getvalue()


def archive(members: dict[str, bytes], *, compressed: bool = True) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as new:
        for name, content in members.items():
            new.writestr(name, content)
    return target.getvalue()
