"""Documents that are made to hurt whoever reads them: texts, pages and PDFs. Layer 4.

All are small enough to be accepted. What is packed into archives is in `archive_bombs`.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from aura_local.benchmark.made_documents import pdf_of

MILLION: Final = 1_000_000
MIB: Final = 1024 * 1024
_PAGE: Final = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources %s >>"
_FONT: Final = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
_TEXT: Final = b"BT /F1 12 Tf 72 720 Td (The parrot sleeps.) Tj ET"
_CATALOGUE: Final = b"<< /Type /Catalog /Pages 2 0 R >>"
_ONE_PAGE: Final = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"


def _stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries, content)


def _one_page(
    content: bytes, *, resources: bytes = _FONT, catalogue: bytes = _CATALOGUE, **more: bytes
) -> bytes:
    """A PDF of one page with this content stream; `more` are objects from 5 on, in order."""
    objects = {1: catalogue, 2: _ONE_PAGE, 3: _PAGE % resources, 4: content}
    return pdf_of(objects | dict(enumerate(more.values(), 5)))


def _many_pages() -> bytes:
    """A hundred thousand pages that share one content."""
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 100_005))
    page = _PAGE % _FONT
    objects = {1: _CATALOGUE, 2: b"<< /Type /Pages /Kids [%s] /Count 100000 >>" % kids, 3: page}
    return pdf_of(objects | {4: _stream(_TEXT)} | dict.fromkeys(range(5, 100_005), page))


def _page_tree(kids: bytes, count: int) -> bytes:
    pages = b"<< /Type /Pages /Kids [%s] /Count %d /Parent 2 0 R >>" % (kids, count)
    return pdf_of({1: _CATALOGUE, 2: pages, 3: _PAGE % _FONT, 4: _stream(_TEXT)})


def _cross_reference_loop() -> bytes:
    """The table names itself as its predecessor."""
    sound = _one_page(_stream(_TEXT))
    place = sound.rindex(b"startxref\n") + len(b"startxref\n")
    return sound.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % int(sound[place:].split()[0]))


def _expanding_stream(layers: int) -> bytes:
    """A gigabyte of spaces; every layer beyond the first packs the packed bytes once more."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * MIB) for _ in range(1024)) + packer.flush()
    for _ in range(layers - 1):
        packed = zlib.compress(packed, 9)
    return _one_page(_stream(packed, b"/Filter [%s]" % b" ".join([b"/FlateDecode"] * layers)))


def _form_loop() -> bytes:
    """A drawing that draws itself, twice."""
    form = _stream(
        b"/X Do /X Do",
        b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>",
    )
    return _one_page(_stream(b"/X Do"), resources=b"<< /XObject << /X 5 0 R >> >>", form=form)


def _outline_loop() -> bytes:
    """Chapters whose next one is the one before."""
    return _one_page(
        _stream(_TEXT),
        catalogue=b"<< /Type /Catalog /Pages 2 0 R /Outlines 5 0 R >>",
        outline=b"<< /Type /Outlines /First 6 0 R /Last 7 0 R /Count 2 >>",
        first=b"<< /Title (One) /Parent 5 0 R /Next 7 0 R /First 5 0 R >>",
        second=b"<< /Title (Two) /Parent 5 0 R /Next 6 0 R >>",
    )


def _nested_parts() -> bytes:
    """A message in a message, two thousand times."""
    parts = []
    for depth in range(2_000):
        parts.append(f'Content-Type: multipart/mixed; boundary="b{depth}"\r\n\r\n--b{depth}\r\n')
    head = "From: a@example.org\r\nSubject: Nested\r\nMIME-Version: 1.0\r\n"
    return (head + "".join(parts) + "Content-Type: text/plain\r\n\r\nThe parrot sleeps.\r\n").encode()


def _message(head: str, body: str) -> bytes:
    start = "From: a@example.org\r\nSubject: Notes\r\nMIME-Version: 1.0\r\n"
    return (start + head + "\r\n\r\n" + body).encode()


def _many_attributes() -> bytes:
    names = " ".join(f"a{number}=1" for number in range(200_000))
    return f"<!doctype html><html><body><p {names}>The parrot sleeps.</p></body></html>".encode()


TEXT_BOMBS: Final[Mapping[str, Callable[[], bytes]]] = {
    "endless-word.txt": lambda: b"a" * (10 * MIB),
    "zero-bytes.txt": lambda: bytes(10 * MIB),
    "noise.txt": lambda: random.Random(1).randbytes(5 * MIB),  # noqa: S311 - to be repeated
    "half-a-character.txt": lambda: b"\xff\xfe\x00\x00" + b"\x61\x00\x00\x00" * MIB + b"\x61",
    "many-sentences.txt": lambda: b"No. " * (5 * MIB),
    "endless-line.csv": lambda: b"a,b\n" + b"1," * (10 * MIB),
    "huge-cell.csv": lambda: b'a,b\n1,"' + b"word " * (4 * MIB) + b'"\n',
    "open-quote.csv": lambda: b'a,b\n1,"' + b"two,three\n" * MIB,
    "million-rows.csv": lambda: b"a,b\n" + b"1,2\n" * MILLION,
    "million-empty-rows.csv": lambda: b"a,b\n" + b",\n" * MILLION + b"1,2\n",
    "deep-lists.json": lambda: b"[" * MILLION + b"]" * MILLION,
    "deep-objects.json": lambda: b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "long-number.json": lambda: b'{"a": ' + b"9" * (10 * MIB) + b"}",
    "many-keys.json": lambda: b"{" + b",".join(b'"k%d": 1' % n for n in range(MILLION)) + b"}",
    "half-a-pair.json": lambda: b'["' + b"\\ud800" * 200_000 + b'"]',
    "deep.html": lambda: b"<!doctype html><html>" + b"<div>" * 500_000 + b"The parrot sleeps.",
    "never-closed.html": lambda: b"<!doctype html><html><p>" + b"<b><i>" * 200_000 + b"The parrot sleeps.",
    "deep-tables.html": lambda: b"<html>" + b"<table><tr><td>" * 20_000 + b"The parrot sleeps.",
    "many-attributes.html": _many_attributes,
    "entities.html": lambda: b"<html><body>" + b"&nbsp;&amp;" * MILLION,
    "deep-quotation.md": lambda: b">" * MILLION + b" The parrot sleeps.\n",
    "brackets.md": lambda: b"[" * MILLION + b"](" * MILLION,
    "million-headings.md": lambda: b"# A\n\n" * MILLION,
    "long-header.eml": lambda: _message("X-Long: " + "a " * (5 * MIB), "The parrot sleeps."),
    "many-headers.eml": lambda: _message("\r\n".join(f"X-{n}: a" for n in range(300_000)), "Hello."),
    "nested-parts.eml": _nested_parts,
    "many-parts.eml": lambda: _message(
        'Content-Type: multipart/mixed; boundary="b"', "--b\r\n\r\nHello.\r\n" * 100_000 + "--b--"
    ),
    "no-boundary.eml": lambda: _message("Content-Type: multipart/mixed", "--\r\n" * 300_000),
    "endless-attachment.eml": lambda: _message(
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64", "QUFB" * (7 * MIB)
    ),
}
"""Bytes by file name, made when they are asked for."""

PDF_BOMBS: Final[Mapping[str, Callable[[], bytes]]] = {
    "hundred-thousand-pages.pdf": _many_pages,
    "tree-loop.pdf": lambda: _page_tree(b"2 0 R", 1),
    "lying-count.pdf": lambda: _page_tree(b"3 0 R", 2**31 - 1),
    "same-page.pdf": lambda: _page_tree(b"3 0 R " * 100_000, 100_000),
    "cross-reference-loop.pdf": _cross_reference_loop,
    "expanding.pdf": lambda: _expanding_stream(1),
    "expanding-twice.pdf": lambda: _expanding_stream(3),
    "wrong-length.pdf": lambda: _one_page(b"<< /Length 2000000000 >>\nstream\nBT ET\nendstream"),
    "form-loop.pdf": _form_loop,
    "outline-loop.pdf": _outline_loop,
    "deep-arrays.pdf": lambda: _one_page(_stream(_TEXT), deep=b"[" * 200_000 + b"]" * 200_000),
    "deep-content.pdf": lambda: _one_page(_stream(b"q " * MILLION + _TEXT)),
    "many-contents.pdf": lambda: _one_page(b"[" + b"4 0 R " * 100_000 + b"]"),
    "many-glyphs.pdf": lambda: _one_page(_stream(b"BT /F1 1 Tf " + b"(aaaa) Tj " * MILLION + b"ET")),
}
"""The same for PDFs."""
