"""Reads Word documents with python-docx, after the archive has been checked for bombs."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any, Final

from aura_local.errors import DocumentUnreadable, PayloadTooLarge, UnsupportedMedia
from aura_local.retrieval.readers.block import Block, Reading, one_line
from aura_local.retrieval.readers.media_type import READ_HERE

_MIB: Final = 1024 * 1024
MEMBER_LIMIT: Final = 2_000
EXPANSION_LIMIT: Final = 100
TOTAL_LIMIT_BYTES: Final = 200 * _MIB
_DAMAGED: Final = "The Word document is damaged or cut short and cannot be opened."
_ARCHIVES: Final = (".zip", ".docx", ".xlsx", ".pptx", ".odt", ".jar", ".7z", ".gz", ".rar", ".xz", ".bz2")
_STRICT: Final = (
    (
        b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    ),
    (
        b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    ),
)
_HEADING: Final = re.compile(r"heading (\d)", re.IGNORECASE)


def read_docx(data: bytes) -> Reading:
    import docx

    archive_bytes = _checked(data)
    try:
        document = docx.Document(io.BytesIO(archive_bytes))
        title = one_line(document.core_properties.title or "")
    except MemoryError:
        raise
    except Exception as error:  # damaged packages raise KeyError, XMLSyntaxError and more
        raise DocumentUnreadable(_DAMAGED) from error
    return Reading(title, _blocks(document), [])


def _checked(data: bytes) -> bytes:
    """The package, with the strict variant of OOXML rewritten to the transitional one python-docx reads."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, len(data))
            names = {member.filename for member in members}
            if not any(name.startswith("word/document") for name in names):
                raise UnsupportedMedia(
                    f"The file is {_kind_of_archive(names)}, not a document ({READ_HERE})."
                )
            if _STRICT[0][0] not in archive.read("_rels/.rels"):
                return data
            return _transitional(archive, members)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DocumentUnreadable(_DAMAGED) from error


def _check_members(members: list[zipfile.ZipInfo], archive_size_bytes: int) -> None:
    total_bytes = sum(member.file_size for member in members)
    if len(members) > MEMBER_LIMIT:
        raise PayloadTooLarge(f"The Word document has {len(members)} parts; at most {MEMBER_LIMIT} are read.")
    if total_bytes > TOTAL_LIMIT_BYTES:
        raise PayloadTooLarge(f"The Word document expands to more than {TOTAL_LIMIT_BYTES // _MIB} MiB.")
    for member in members:
        # Small parts may well be repetitive; below one mebibyte they do no harm.
        if member.file_size > max(_MIB, EXPANSION_LIMIT * member.compress_size):
            raise PayloadTooLarge(f"A part of the Word document expands more than {EXPANSION_LIMIT} times.")
        if member.flag_bits & 1:
            raise DocumentUnreadable("The document needs a password; remove it and try again.")
        # Word keeps embedded sheets in word/embeddings; they are never opened.
        if member.filename.lower().endswith(_ARCHIVES) and not member.filename.startswith("word/embeddings/"):
            raise DocumentUnreadable("The Word document holds another archive, which is not opened.")
    if total_bytes > max(_MIB, EXPANSION_LIMIT * archive_size_bytes):
        raise PayloadTooLarge(f"The Word document expands more than {EXPANSION_LIMIT} times.")


def _kind_of_archive(names: set[str]) -> str:
    for prefix, description in (("xl/", "an Excel workbook"), ("ppt/", "a PowerPoint presentation")):
        if any(name.startswith(prefix) for name in names):
            return description
    if "mimetype" in names:
        return "an OpenDocument file or e-book"
    return "a Java archive" if "META-INF/MANIFEST.MF" in names else "a ZIP archive"


def _transitional(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as rewritten:
        for member in members:
            content = archive.read(member)
            if member.filename.endswith((".xml", ".rels")):
                for strict, transitional in _STRICT:
                    content = content.replace(strict, transitional)
            rewritten.writestr(member.filename, content)
    return target.getvalue()


def _blocks(document: Any) -> Iterator[Block]:
    from docx.table import Table

    try:
        for item in document.iter_inner_content():
            if isinstance(item, Table):
                yield from _rows(item)
            else:
                yield from _paragraph(item)
    except (KeyError, AttributeError, ValueError, IndexError, TypeError) as error:
        raise DocumentUnreadable(_DAMAGED) from error


def _paragraph(paragraph: Any) -> Iterator[Block]:
    text = one_line(paragraph.text)
    if not text:
        return
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    heading = _HEADING.match(style)
    if heading is not None or style == "Title":
        yield Block("heading", text, level=min(6, max(1, int(heading[1]))) if heading else 1)
    elif style.startswith("List") or paragraph._p.find(".//{*}numPr") is not None:
        yield Block("list_item", text)
    else:
        yield Block("paragraph", text)


def _rows(table: Any) -> Iterator[Block]:
    for row in table.rows:
        cells: list[str] = []
        previous: Any = None
        for cell in row.cells:
            if cell._tc is not previous:  # a merged cell is listed once per column it spans
                cells.append(one_line(cell.text))
            previous = cell._tc
        text = " | ".join(cell for cell in cells if cell)
        if text:
            yield Block("table_row", text)
