"""What each kind of document becomes, and that everything else is one clear error."""

from __future__ import annotations

import random
import zipfile
from io import BytesIO

import pytest

from aura_local.errors import DocumentUnreadable, PayloadTooLarge, UnsupportedMedia
from aura_local.retrieval.extraction import decode_response, encode_request, extract_in_worker
from aura_local.retrieval.parsing import ParsedDocument, parse_document
from aura_local.retrieval.readers.encodings import decode_text
from aura_local.retrieval.readers.limits import ReadingLimits
from tests.retrieval.documents import archive, pdf, repacked, word

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def summary(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in document.blocks]


@pytest.mark.anyio
async def test_plain_text() -> None:
    data = b"Opening hours\n\nWe open at nine\nand close at six.\n\n- no dogs\n- no flash\r\n"
    parsed = await parse_document(data, "hours.txt")
    assert parsed.media_type == "text/plain"
    assert parsed.title == "Opening hours"
    assert parsed.page_count == 0
    assert summary(parsed) == [
        ("heading", "Opening hours"),
        ("paragraph", "We open at nine and close at six."),
        ("list_item", "no dogs"),
        ("list_item", "no flash"),
    ]


@pytest.mark.anyio
async def test_markdown() -> None:
    data = (
        b"---\ntitle: The shop\n---\n# Shop\nOpen **daily** in the [hall](x.md), see `map`.\n<!-- hid -->\n"
        b"## Prices ##\n| Item | Price |\n|---|---:|\n| Card | 2 |\n\n1. cards\n   of paper\n2. books\n\n"
        b"Below\n-----\n```\ncode_here stays\n```\n***\nsnake_case_word\n"
    )
    parsed = await parse_document(data, "shop.md")
    assert parsed.media_type == "text/markdown"
    assert parsed.title == "The shop"
    assert [(block.text, block.level) for block in parsed.blocks if block.kind == "heading"] == [
        ("Shop", 1),
        ("Prices", 2),
        ("Below", 2),
    ]
    assert [entry for entry in summary(parsed) if entry[0] != "heading"] == [
        ("paragraph", "Open daily in the hall, see map."),
        ("table_row", "Item: Card | Price: 2"),
        ("list_item", "cards of paper"),
        ("list_item", "books"),
        ("paragraph", "code_here stays"),
        ("paragraph", "snake_case_word"),
    ]


@pytest.mark.anyio
async def test_html() -> None:
    data = (
        b"<!DOCTYPE html><html><head><title>Cafe &amp; bar</title><style>p{}</style></head><body>"
        b"<nav><a>Home</a></nav><h1>Caf&eacute;</h1><p>Soup <b>of the</b> day.<br>Six euros.</p>"
        b"<script>alert('no')</script>loose text<ul><li>tea</li><li><p>milk</p></li></ul>"
        b"<table><tr><th>Day</th><th>Hours</th></tr><tr><td>Monday</td><td><p>closed</p></td></tr></table>"
        b"</body></html>"
    )
    parsed = await parse_document(data, "renamed.bin")
    assert parsed.media_type == "text/html"
    assert parsed.title == "Cafe & bar"
    assert summary(parsed) == [
        ("heading", "Café"),
        ("paragraph", "Soup of the day."),
        ("paragraph", "Six euros."),
        ("paragraph", "loose text"),
        ("list_item", "tea"),
        ("list_item", "milk"),
        ("table_row", "Day: Monday | Hours: closed"),
    ]


@pytest.mark.anyio
async def test_html_of_any_depth() -> None:
    parsed = await parse_document(b"<html>" + b"<div>" * 20_000 + b"deep", "deep.html")
    assert summary(parsed) == [("paragraph", "deep")]


@pytest.mark.anyio
async def test_pdf_with_pages_whatever_its_name() -> None:
    data = pdf(["The museum opens at nine.\nIt closes at six in the eve-\nning.", "", "Dogs stay outside."])
    parsed = await parse_document(data, "brochure.txt")
    assert parsed.media_type == "application/pdf"
    assert parsed.page_count == 3
    assert [(block.page, block.text) for block in parsed.blocks] == [
        (1, "The museum opens at nine. It closes at six in the evening."),
        (3, "Dogs stay outside."),
    ]


@pytest.mark.anyio
async def test_docx() -> None:
    parsed = await parse_document(word(), "rules.docx")
    assert parsed.title == "House rules"
    assert summary(parsed) == [
        ("heading", "Rules"),
        ("paragraph", "Dogs stay outside."),
        ("list_item", "No flash."),
        ("heading", "Fees"),
        ("table_row", "Prices"),
        ("table_row", "Locker | one euro"),
        ("paragraph", "Thank you."),
    ]
    assert [block.level for block in parsed.blocks if block.kind == "heading"] == [1, 2]


@pytest.mark.anyio
async def test_strict_docx() -> None:
    package = word()
    changes = {}
    with zipfile.ZipFile(BytesIO(package)) as source:
        for name in ("_rels/.rels", "word/document.xml", "word/_rels/document.xml.rels", "word/styles.xml"):
            content = source.read(name)
            for part in (b"officeDocument/2006/relationships", b"wordprocessingml/2006/main"):
                area, _, last = part.partition(b"/2006")
                strict = b"http://purl.oclc.org/ooxml/" + area + last
                content = content.replace(b"http://schemas.openxmlformats.org/" + part, strict)
            changes[name] = content
    parsed = await parse_document(repacked(package, changes), "strict.docx")
    assert ("paragraph", "Dogs stay outside.") in summary(parsed)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("data", "name", "error", "message"),
    [
        (b"", "empty.txt", DocumentUnreadable, "empty"),
        (b" \n\t\n", "blank.md", DocumentUnreadable, "empty"),
        (b"MZ\x90\x00" + b"\x00" * 200, "invoice.pdf", UnsupportedMedia, "a Windows program"),
        (b"\x7fELF\x02\x01" + b"\x00" * 200, "invoice.pdf", UnsupportedMedia, "a Linux program"),
        (b"MZ\x90\x00%PDF-1.7" + b"\x00" * 200, "both.pdf", UnsupportedMedia, "a Windows program"),
        (b"#!/bin/sh\necho hello\n", "invoice.pdf", UnsupportedMedia, r"named \.pdf"),
        (b"GIF89a" + b"\x00" * 50, "scan.txt", UnsupportedMedia, "a GIF image"),
        (archive({"xl/workbook.xml": b"<x/>"}), "sheet.docx", DocumentUnreadable, "workbook is damaged"),
        (archive({"xl/workbook.bin": b"x"}), "sheet.xlsb", UnsupportedMedia, "save it as xlsx"),
        (archive({"META-INF/MANIFEST.MF": b"x"}), "a.docx", UnsupportedMedia, "a Java archive"),
        (b"{\\rtf1 hello}", "letter.doc", UnsupportedMedia, "save it as docx"),
        (random.Random(1).randbytes(5_000), "noise.txt", UnsupportedMedia, "binary data"),
        ("Café".encode() * 10 + b"caf\xc3 closed", "cafe.txt", DocumentUnreadable, "broken UTF-8"),
        (b"We open \xff\xfe\xfd at nine.", "hours.txt", DocumentUnreadable, "broken UTF-8"),
        (b"It costs \xc3\x28 two euros", "price.md", DocumentUnreadable, "broken UTF-8"),
        (pdf(["Hello"], password="secret"), "secret.pdf", DocumentUnreadable, "needs a password"),
        (pdf(["", ""]), "scan.pdf", DocumentUnreadable, "no text layer"),
        (pdf(["Hello there"])[:300], "cut.pdf", DocumentUnreadable, "damaged"),
        (b"%PDF-1.7\n", "head.pdf", DocumentUnreadable, "damaged"),
        (word()[:5_000], "cut.docx", DocumentUnreadable, "damaged or cut short"),
        (repacked(word(), {"word/document.xml": b"<w:document"}), "bad.docx", DocumentUnreadable, "damaged"),
        (repacked(word(), {"inner.zip": archive({"a": b"b"})}), "nested.docx", DocumentUnreadable, "another"),
        (
            OLE + b"\x00" * 600 + "EncryptedPackage".encode("utf-16-le"),
            "locked.docx",
            DocumentUnreadable,
            "needs a password",
        ),
        (OLE + b"\x00" * 600, "old.docx", UnsupportedMedia, "old Office"),
        (OLE + "WordDocument".encode("utf-16-le"), "old.doc", UnsupportedMedia, r"\(doc\); save it as docx"),
        (OLE + "Workbook".encode("utf-16-le"), "old.xlsx", UnsupportedMedia, r"\(xls\); save it as xlsx"),
        (OLE + "PowerPoint Document".encode("utf-16-le"), "a.ppt", UnsupportedMedia, "save it as pptx"),
        (b"<html><script>only()</script></html>", "a.html", DocumentUnreadable, "no text"),
    ],
)
async def test_bad_documents(data: bytes, name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        await parse_document(data, name)


@pytest.mark.anyio
async def test_a_zip_bomb_is_refused_before_it_expands() -> None:
    bomb = repacked(word(), {"word/media/image1.bin": bytes(64 * 1024 * 1024)})
    assert len(bomb) < 200_000
    with pytest.raises(PayloadTooLarge, match="expands more than 100 times"):
        await parse_document(bomb, "bomb.docx", limits=ReadingLimits(wall_s=10, cpu_s=3))


@pytest.mark.anyio
async def test_a_zip_bomb_with_a_false_directory_stays_inside_its_worker() -> None:
    bomb = bytearray(repacked(word(), {"word/document.xml": b"<!--" + b" " * 50_000_000 + b"-->"}))
    directory = bomb.rindex(b"PK\x01\x02")
    bomb[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    with pytest.raises((DocumentUnreadable, PayloadTooLarge)):
        await parse_document(bytes(bomb), "liar.docx")


@pytest.mark.anyio
async def test_too_many_members_pages_and_too_much_text() -> None:
    many = repacked(word(), {f"word/media/{n}.bin": b"" for n in range(2_001)})
    with pytest.raises(PayloadTooLarge, match="2000"):
        await parse_document(many, "many.docx")
    with pytest.raises(PayloadTooLarge, match="20 MiB"):
        await parse_document((b"word " * 200 + b"\n\n") * 21_500, "long.txt")


def test_entities_in_a_docx_are_not_expanded() -> None:
    document = (
        b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r>'
        b"<w:t>before &x; after</w:t></w:r></w:p></w:body></w:document>"
    )
    response = extract_in_worker(
        encode_request("x.docx", repacked(word(), {"word/document.xml": document}), ReadingLimits())
    )
    assert "root:" not in " ".join(block.text for block in decode_response(response)[3])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_of_unicode(encoding: str) -> None:
    text = "The café opens at nine o’clock.\nIt closes at six."
    assert decode_text(text.encode(encoding)) == text


def test_western_text_is_told_from_broken_utf8() -> None:
    text = "Café Müller, à la carte: “crème brûlée” – 5 €, naïve Ångström ÜBER São"
    assert decode_text(text.encode("cp1252")) == text


def test_a_page_in_the_encoding_it_declares() -> None:
    page = '<html><meta charset="windows-1251"><p>Музей открыт</p></html>'
    assert decode_text(page.encode("windows-1251"), declared_in_html=True) == page


@pytest.mark.parametrize("cut", [0, 3, 20, -1])
def test_a_response_that_is_cut_is_refused(cut: int) -> None:
    response = extract_in_worker(encode_request("a.txt", b"one paragraph", ReadingLimits()))
    assert decode_response(response)[0] == "text/plain"
    with pytest.raises(ValueError, match=r"response|cut short|decode"):
        decode_response(response[:cut])
