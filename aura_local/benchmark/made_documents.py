"""Small sound documents of every kind from lines of text, written out by hand: the format and nothing else.

The same lines give the same bytes, so that a document can be sent a second time and be recognised. Layer 4.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

Lines = Sequence[str]
_OFFICE: Final = "http://schemas.openxmlformats.org"
_RELATIONS: Final = f"{_OFFICE}/package/2006/relationships"
_OFFICE_PART: Final = f"{_OFFICE}/officeDocument/2006/relationships"
_WORD: Final = f"{_OFFICE}/wordprocessingml/2006/main"
_SHEET: Final = f"{_OFFICE}/spreadsheetml/2006/main"
_OPEN_DOCUMENT: Final = "urn:oasis:names:tc:opendocument:xmlns"
_LINES_ON_A_PAGE: Final = 40


def plain(lines: Lines) -> bytes:
    return "\n\n".join(lines).encode()


def markdown(lines: Lines) -> bytes:
    return ("# Notes\n\n" + "\n\n".join(lines) + "\n").encode()


def web_page(lines: Lines) -> bytes:
    body = "".join(f"<p>{escape(line)}</p>\n" for line in lines)
    return f"<!doctype html><html><title>Notes</title><body><h1>Notes</h1>{body}</body></html>".encode()


def table(lines: Lines) -> bytes:
    """Comma-separated, a header and two columns."""
    rows = (f'{number},"{line}"' for number, line in enumerate(lines, 1))
    return ("number,note\n" + "\n".join(rows) + "\n").encode()


def records(lines: Lines) -> bytes:
    return json.dumps([{"number": number, "note": line} for number, line in enumerate(lines, 1)]).encode()


def message(lines: Lines) -> bytes:
    """An e-mail with one plain part."""
    head = "From: a@example.org\r\nTo: b@example.org\r\nSubject: Notes\r\nMIME-Version: 1.0\r\n"
    head += "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    return head.encode() + "\r\n\r\n".join(lines).encode()


def pdf(lines: Lines) -> bytes:
    """Pages of `_LINES_ON_A_PAGE` lines, in Helvetica; Latin-1 only."""
    pages = [lines[start : start + _LINES_ON_A_PAGE] for start in range(0, len(lines), _LINES_ON_A_PAGE)]
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R >>"}
    objects[3] = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    kids = []
    for place, page in enumerate(pages):
        number = 4 + 2 * place
        kids.append(f"{number} 0 R")
        drawing = _drawing(page)
        objects[number] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 2000 800] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (number + 1)
        )
        objects[number + 1] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing)
    objects[2] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>".encode()
    return pdf_of(objects)


def pdf_of(objects: Mapping[int, bytes]) -> bytes:
    """A file of numbered objects from 1 on without a gap; 1 is the catalogue."""
    content = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in sorted(objects.items()):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    cross_references = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % place for place in places)
    content += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return bytes(content) + b"startxref\n%d\n%%%%EOF\n" % cross_references


def docx(lines: Lines) -> bytes:
    paragraphs = "".join(f"<w:p><w:r><w:t>{escape(line)}</w:t></w:r></w:p>" for line in lines)
    return docx_of(f'<w:document xmlns:w="{_WORD}"><w:body>{paragraphs}</w:body></w:document>')


def docx_of(document: str) -> bytes:
    """A text document whose main part is `document`."""
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    return zipped(office_parts("word/document.xml", kind) | {"word/document.xml": document})


def xlsx(lines: Lines) -> bytes:
    cells = '<c t="inlineStr"><is><t>{}</t></is></c>'.format
    rows = "".join(f"<row>{cells(n)}{cells(escape(line))}</row>" for n, line in enumerate(lines, 1))
    return xlsx_of(f"<row>{cells('Number')}{cells('Note')}</row>{rows}")


def xlsx_of(rows: str, dimension: str = "", *, doctype: str = "") -> bytes:
    """A workbook of one sheet with the given `<row>` elements."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    sheet = f'<sheet name="Notes" sheetId="1" xmlns:r="{_OFFICE_PART}" r:id="rId1"/>'
    parts = office_parts("xl/workbook.xml", kind) | {
        "xl/workbook.xml": f'<workbook xmlns="{_SHEET}"><sheets>{sheet}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations({"worksheet": "worksheets/sheet1.xml"}),
        "xl/worksheets/sheet1.xml": f'{doctype}<worksheet xmlns="{_SHEET}">{dimension}'
        f"<sheetData>{rows}</sheetData></worksheet>",
    }
    return zipped(parts)


def odt(lines: Lines) -> bytes:
    body = "".join(f"<text:p>{escape(line)}</text:p>" for line in lines)
    return odt_of(
        f'<office:document-content xmlns:office="{_OPEN_DOCUMENT}:office:1.0" '
        f'xmlns:text="{_OPEN_DOCUMENT}:text:1.0" office:version="1.2"><office:body><office:text>{body}'
        "</office:text></office:body></office:document-content>"
    )


def odt_of(content: str) -> bytes:
    """An OpenDocument text whose content part is `content`."""
    kind = "application/vnd.oasis.opendocument.text"
    manifest = (
        f'<manifest:manifest xmlns:manifest="{_OPEN_DOCUMENT}:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        "</manifest:manifest>"
    )
    return zipped({"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content})


def epub(lines: Lines) -> bytes:
    body = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return epub_of(
        f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Notes</title></head><body>{body}</body></html>'
    )


def epub_of(chapter: str) -> bytes:
    """A book of one chapter."""
    container = (
        '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">notes</dc:identifier>'
        "<dc:title>Notes</dc:title><dc:language>en</dc:language></metadata><manifest>"
        '<item id="one" href="one.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="one"/></spine></package>'
    )
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "book.opf": package,
            "one.xhtml": chapter,
        }
    )


def office_parts(main: str, kind: str) -> dict[str, str]:
    """What every Office Open XML file has beside its main part."""
    types = f'<Override PartName="/{main}" ContentType="{kind}"/>'
    if main.startswith("xl/"):
        sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
        types += f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{sheet}"/>'
    return {
        "[Content_Types].xml": f'<Types xmlns="{_OFFICE}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{types}</Types>',
        "_rels/.rels": _relations({"officeDocument": main}),
    }


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """An archive of the members in their order, compressed, without a date of today."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            compression = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name), member, compression)
    return content.getvalue()


def _relations(targets: Mapping[str, str]) -> str:
    each = (
        f'<Relationship Id="rId{number}" Type="{_OFFICE_PART}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets.items(), 1)
    )
    return f'<Relationships xmlns="{_RELATIONS}">{"".join(each)}</Relationships>'


def _drawing(lines: Lines) -> bytes:
    steps = (b"(%s) Tj 0 -18 Td" % line.encode("latin-1").translate(None, b"()\\") for line in lines)
    return b"BT /F1 12 Tf 20 770 Td " + b" ".join(steps) + b" ET"


MAKERS: Final[Mapping[str, Callable[[Lines], bytes]]] = {
    ".txt": plain,
    ".md": markdown,
    ".html": web_page,
    ".csv": table,
    ".json": records,
    ".eml": message,
    ".pdf": pdf,
    ".docx": docx,
    ".xlsx": xlsx,
    ".odt": odt,
    ".epub": epub,
}
"""How a document of each kind is made, by the end of its name."""
