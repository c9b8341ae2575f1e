"""Archives, and the documents that are archives inside, made to hurt whoever opens them. Layer 4."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Final

from aura_local.benchmark.made_documents import (
    docx,
    docx_of,
    epub_of,
    odt_of,
    office_parts,
    xlsx,
    xlsx_of,
    zipped,
)

MIB: Final = 1024 * 1024
_LINE: Final = ["The parrot sleeps."]
_LAUGHS: Final = '<!DOCTYPE d [<!ENTITY a0 "ha">{}]>'.format(
    "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
)
"""Ten times ten times ten ...: a billion laughs."""
_QUADRATIC: Final = f'<!DOCTYPE d [<!ENTITY a "{"ha " * 100_000}">]>'
_OUTSIDE: Final = '<!DOCTYPE d [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>'
_WORD: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_DRAWING: Final = "http://schemas.openxmlformats.org/drawingml/2006/main"
_SLIDES: Final = "http://schemas.openxmlformats.org/presentationml/2006/main"
_RELATIONS: Final = "http://schemas.openxmlformats.org/package/2006/relationships"
_KIND: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_OPEN_DOCUMENT: Final = "urn:oasis:names:tc:opendocument:xmlns"


def _docx(body: str, doctype: str = "") -> bytes:
    return docx_of(f'{doctype}<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>')


def _said(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def _odt(body: str, doctype: str = "") -> bytes:
    return odt_of(
        f'{doctype}<office:document-content xmlns:office="{_OPEN_DOCUMENT}:office:1.0" '
        f'xmlns:text="{_OPEN_DOCUMENT}:text:1.0"><office:body><office:text>{body}'
        "</office:text></office:body></office:document-content>"
    )


def _epub(body: str, doctype: str = "") -> bytes:
    return epub_of(f'{doctype}<html xmlns="http://www.w3.org/1999/xhtml"><body><p>{body}</p></body></html>')


def _pptx(text: str, doctype: str = "") -> bytes:
    """A presentation of one slide."""
    main = "ppt/presentation.xml"
    kind = "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
    slide = (
        f'{doctype}<p:sld xmlns:p="{_SLIDES}" xmlns:a="{_DRAWING}"><p:cSld><p:spTree><p:sp><p:txBody>'
        f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>"
    )
    return zipped(
        office_parts(main, kind)
        | {
            main: f'<p:presentation xmlns:p="{_SLIDES}" xmlns:r="{_KIND}"><p:sldIdLst>'
            '<p:sldId id="256" r:id="rId1"/></p:sldIdLst></p:presentation>',
            "ppt/_rels/presentation.xml.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship '
            f'Id="rId1" Type="{_KIND}/slide" Target="slides/slide1.xml"/></Relationships>',
            "ppt/slides/slide1.xml": slide,
        }
    )


def _expanding(name: str, start: str, mebibytes: int = 1024) -> bytes:
    """An archive in which one member grows to `mebibytes`."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, member in office_parts(name, "application/xml").items():
            archive.writestr(part, member)
        with archive.open(name, "w", force_zip64=True) as growing:
            growing.write(start.encode())
            for _ in range(mebibytes):
                growing.write(b" " * MIB)
    return content.getvalue()


def _nested(depth: int, breadth: int) -> bytes:
    """Archives of archives: breadth to the power of depth texts."""
    inner: dict[str, str | bytes] = {f"{n}.txt": "The parrot sleeps. " * 1000 for n in range(breadth)}
    for _ in range(depth):
        packed = zipped(inner)
        inner = {f"{number}.zip": packed for number in range(breadth)}
    return zipped(inner)


def _lying_size() -> bytes:
    """Says that its member has ten bytes when opened; it has a hundred million."""
    sound = bytearray(zipped({"a.txt": b"word " * (20 * MIB)}))
    true = struct.pack("<I", 100 * MIB)
    for place in _places(bytes(sound), true):
        sound[place : place + 4] = struct.pack("<I", 10)
    return bytes(sound)


def _places(content: bytes, wanted: bytes) -> list[int]:
    found, place = [], content.find(wanted)
    while place >= 0:
        found.append(place)
        place = content.find(wanted, place + 1)
    return found


def _overlapping() -> bytes:
    """A thousand entries of the directory that are all the same ten million bytes."""
    sound = zipped({"a.txt": b"word " * (2 * MIB)})
    directory = sound.index(b"PK\x01\x02")
    end = sound.index(b"PK\x05\x06")
    entries = sound[directory:end] * 1000
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1000, 1000, len(entries), directory, 0)
    return sound[:directory] + entries + tail


def _flagged(sound: bytes) -> bytes:
    """The members are marked as encrypted."""
    changed = bytearray(sound)
    for place in _places(sound, b"PK\x03\x04"):
        changed[place + 6] |= 1
    for place in _places(sound, b"PK\x01\x02"):
        changed[place + 8] |= 1
    return bytes(changed)


def _link() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        member = zipfile.ZipInfo("notes.txt")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    return content.getvalue()


_ROW: Final = '<row><c t="inlineStr"><is><t>{}</t></is></c></row>'

ARCHIVE_BOMBS: Final[Mapping[str, Callable[[], bytes]]] = {
    "expanding.docx": lambda: _expanding("word/document.xml", f'<w:document xmlns:w="{_WORD}">'),
    "expanding.xlsx": lambda: _expanding("xl/workbook.xml", "<workbook>"),
    "expanding.pptx": lambda: _expanding("ppt/presentation.xml", "<presentation>"),
    "laughs.docx": lambda: _docx(_said("&a9;"), _LAUGHS),
    "laughs.xlsx": lambda: xlsx_of(_ROW.format("&a9;"), doctype=_LAUGHS),
    "laughs.pptx": lambda: _pptx("&a9;", _LAUGHS),
    "laughs.odt": lambda: _odt("<text:p>&a9;</text:p>", _LAUGHS),
    "laughs.epub": lambda: _epub("&a9;", _LAUGHS),
    "quadratic.docx": lambda: _docx(_said("&a;" * 10_000), _QUADRATIC),
    "outside.docx": lambda: _docx(_said("&a9;"), _OUTSIDE),
    "outside.odt": lambda: _odt("<text:p>&a9;</text:p>", _OUTSIDE),
    "outside.pptx": lambda: _pptx("&a9;", _OUTSIDE),
    "outside.epub": lambda: _epub("&a9;", _OUTSIDE),
    "deep-tables.docx": lambda: _docx(
        "<w:tbl><w:tr><w:tc>" * 5_000 + _said("a") + "</w:tc></w:tr></w:tbl>" * 5_000
    ),
    "deep.odt": lambda: _odt("<text:section>" * 50_000 + "a" + "</text:section>" * 50_000),
    "spaces.odt": lambda: _odt('<text:p>a<text:s text:c="2000000000"/>b</text:p>'),
    "million-paragraphs.docx": lambda: _docx(_said("A.") * 1_000_000),
    "million-empty-rows.xlsx": lambda: xlsx_of("<row/>" * 1_000_000 + _ROW.format("a")),
    "million-rows.xlsx": lambda: xlsx_of("<row><c><v>1</v></c></row>" * 1_000_000),
    "lying-dimension.xlsx": lambda: xlsx_of(_ROW.format("a"), '<dimension ref="A1:XFD1048576"/>'),
    "far-cell.xlsx": lambda: xlsx_of('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
    "half.xlsx": lambda: xlsx(_LINE)[:-200],
    "nested.zip": lambda: _nested(4, 8),
    "many-members.zip": lambda: zipped({f"{number}.txt": "A." for number in range(60_000)}),
    "expanding.zip": lambda: zipped({"a.txt": b"word " * (100 * MIB)}),
    "lying-size.zip": _lying_size,
    "overlapping.zip": _overlapping,
    "encrypted.zip": lambda: _flagged(zipped({"a.txt": "The parrot sleeps."})),
    "encrypted.docx": lambda: _flagged(docx(_LINE)),
    "half.zip": lambda: zipped({"a.txt": "The parrot sleeps. " * 1000})[:200],
    "link.zip": _link,
    "paths.zip": lambda: zipped({"../../a.txt": "One.", "/etc/b.txt": "Two.", "a" * 1000 + ".txt": "Three."}),
    "bombs-inside.zip": lambda: zipped({f"{n}.docx": _docx(_said("&a9;"), _LAUGHS) for n in range(20)}),
}
"""Bytes by file name, made when they are asked for."""
