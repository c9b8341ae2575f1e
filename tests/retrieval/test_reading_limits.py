"""Each limit at its value and one beyond, and files made to exhaust a reader: one clear error, soon."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from aura_local.errors import AuraError, DeadlineExceeded, DocumentUnreadable, PayloadTooLarge
from aura_local.retrieval.extraction import encode_request, extract_in_worker
from aura_local.retrieval.parsing import parse_document
from aura_local.retrieval.readers.document import read_document
from aura_local.retrieval.readers.limits import PACKED_LIMITS_BYTES, ReadingLimits, reading_limits, unpacked
from aura_local.settings import DocumentSettings
from tests.retrieval.documents import archive, pdf, repacked, word
from tests.retrieval.office_files import epub, odt, odt_of, slides, stored, workbook

LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">'
    '<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;">]>'
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'


def read(data: bytes, name: str, **limits: Any) -> str:
    """The whole text as the worker's own code makes it."""
    return extract_in_worker(encode_request(name, data, ReadingLimits(**limits))).decode("utf-8", "replace")


def test_the_defaults_are_those_of_the_settings() -> None:
    assert reading_limits(DocumentSettings()) == ReadingLimits()
    recognition = {"recognise_text", "recognition_languages", "recognition_data"}
    costs = {field.name for field in fields(ReadingLimits)} - {"recognition"}
    assert costs == set(DocumentSettings.model_fields) - recognition
    assert reading_limits(DocumentSettings(recognise_text="off")).recognition is None


def test_limits_reach_the_worker() -> None:
    limits = ReadingLimits(
        wall_s=0.5, cpu_s=9, text_bytes=1, pages=2, archive_members=3, archive_ratio=4, archive_bytes=5
    )
    assert limits.recognition is not None
    assert unpacked(limits.packed(), limits.recognition.packed()) == limits
    assert len(limits.packed()) == PACKED_LIMITS_BYTES


@pytest.mark.parametrize(
    ("data", "name", "limit", "most"),
    [
        (b"We open at ten.", "a.txt", "text_bytes", 15),
        (pdf(["one", "two", "three"]), "a.pdf", "pages", 3),
        (slides(("a", "b", "c")), "a.pptx", "pages", 3),
        (archive({"a.txt": b"one", "b.txt": b"two"}), "a.zip", "archive_members", 2),
        (archive({"a.txt": b"one", "b.txt": b"two"}), "a.zip", "archive_bytes", 6),
        (odt("<text:p>x</text:p>"), "a.odt", "archive_members", 2),
    ],
)
def test_each_limit_at_its_value_and_one_beyond(data: bytes, name: str, limit: str, most: int) -> None:
    assert read(data, name, **{limit: most})
    with pytest.raises(PayloadTooLarge):
        read(data, name, **{limit: most - 1})


def test_the_ratio_at_its_value_and_one_beyond() -> None:
    data = archive({"a.txt": b"word " * 600_000})
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        ratio = -(-opened.infolist()[0].file_size // opened.infolist()[0].compress_size)
    assert read(data, "a.zip", archive_ratio=ratio + 5)
    with pytest.raises(PayloadTooLarge, match="expands more than"):
        read(data, "a.zip", archive_ratio=ratio - 1)


@pytest.mark.anyio
async def test_time_and_memory_end_the_worker() -> None:
    with pytest.raises(DeadlineExceeded, match=r"0\.01 s"):  # no process starts in that
        await parse_document(b"We open at ten.", "a.txt", limits=ReadingLimits(wall_s=0.01))
    with pytest.raises(DeadlineExceeded, match="1 s of computing"):
        await parse_document(b"*a " * 400_000, "a.md", limits=ReadingLimits(cpu_s=1))
    nested = b"[" + b"[1]," * 2_000_000 + b"1]"
    with pytest.raises(PayloadTooLarge, match="128 MiB of memory"):
        await parse_document(nested, "a.json", limits=ReadingLimits(memory_bytes=128 * 1024**2))


def test_a_million_empty_rows_cost_little() -> None:
    sheet = b"".join(b'<row r="%d"><c r="B%d" s="1"/></row>' % (n, n) for n in range(1, 1_000_000))
    data = _with_sheet(b'<dimension ref="A1:XFD1048576"/><sheetData>' + sheet + b"</sheetData>")
    started = time.process_time()
    with pytest.raises(DocumentUnreadable, match="no text"):
        read(data, "empty.xlsx")
    assert time.process_time() - started < 10


def test_one_cell_in_the_last_corner_costs_nothing() -> None:
    cell = b'<c r="XFD1048576" t="inlineStr"><is><t>end</t></is></c>'
    sheet = b'<sheetData><row r="1048576">' + cell + b"</row></sheetData>"
    reading = read_document(_with_sheet(sheet), "corner.xlsx", ReadingLimits())[1]
    assert list(reading.blocks) == []
    assert reading.warnings == ["Columns beyond the first 512 were not read."]


def _with_sheet(content: bytes) -> bytes:
    namespace = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = b'<worksheet xmlns="' + namespace + b'">' + content + b"</worksheet>"
    return repacked(workbook({"A": [["x"]]}), {"xl/worksheets/sheet1.xml": sheet})


# --- archives that lie ---------------------------------------------------------------------------------


def test_a_directory_that_lies_about_a_size_does_not_help_a_bomb() -> None:
    bomb = bytearray(archive({"a.txt": b" " * 30_000_000}))
    directory = bomb.rindex(b"PK\x01\x02")
    bomb[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    with pytest.raises((DocumentUnreadable, PayloadTooLarge)):
        read(bytes(bomb), "liar.zip")


def test_members_that_share_their_bytes_are_counted_together() -> None:
    data = bytearray(archive({f"{n:03}.txt": b"x" * 900_000 if n == 0 else b"x" for n in range(200)}))
    first = data.index(b"PK\x01\x02")
    entry = bytes(data[first : data.index(b"PK\x01\x02", first + 4)])
    at = first
    for n in range(200):
        length = data.index(b"PK", at + 4) - at
        data[at : at + length] = entry.replace(b"000.txt", b"%03d.txt" % n)
        at += length
    with pytest.raises(AuraError):
        read(bytes(data), "overlap.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_expand_without_bound_are_not_read(method: int) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as new:
        new.writestr("a.txt", b"text")
    with pytest.raises(DocumentUnreadable, match="compressed in a way"):
        read(target.getvalue(), "a.zip")


def test_a_locked_archive_says_so() -> None:
    data = bytearray(archive({"a.txt": b"text"}, compressed=False))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DocumentUnreadable, match="needs a password"):
        read(bytes(data), "a.zip")


def test_an_encrypted_odt_and_a_protected_book_say_so() -> None:
    manifest = b"<manifest><file-entry><encryption-data/></file-entry></manifest>"
    with pytest.raises(DocumentUnreadable, match="needs a password"):
        read(odt("<text:p>x</text:p>", **{"META-INF/manifest.xml": manifest}), "a.odt")
    book = repacked(
        epub({"a.xhtml": "<p>x</p>"}),
        {"META-INF/encryption.xml": b'<e><EncryptionMethod Algorithm="aes"/></e>'},
    )
    with pytest.raises(DocumentUnreadable, match="protected"):
        read(stored(_members(book)), "a.epub")


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


# --- entities ------------------------------------------------------------------------------------------


def _word(prolog: str) -> bytes:
    text = (
        f"{prolog}<w:document xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'><w:body><w:p>"
        "<w:r><w:t>before &e; after</w:t></w:r></w:p></w:body></w:document>"
    )
    return repacked(word(), {"word/document.xml": text.encode()})


def _slides(prolog: str) -> bytes:
    package = slides(("Tickets",))
    slide = _members(package)["ppt/slides/slide1.xml"].decode().partition("?>")[2]
    return repacked(package, {"ppt/slides/slide1.xml": (prolog + slide.replace("Tickets", "T&e;s")).encode()})


def _sheet(prolog: str) -> bytes:
    package = workbook({"A": [["x", "y"], ["Ann", 2]]})
    name = "xl/worksheets/sheet1.xml"
    sheet = _members(package)[name].decode()
    assert "Ann" in sheet
    return repacked(package, {name: (prolog + sheet.replace("Ann", "A&e;n")).encode()})


def _odt(prolog: str) -> bytes:
    return odt_of((prolog + _members(odt("<text:p>a &e; b</text:p>"))["content.xml"].decode()).encode())


def _epub(prolog: str) -> bytes:
    return epub({"a.xhtml": f"{prolog}<html><body><p>a &e; b</p></body></html>"}, opf_head=prolog)


@pytest.mark.parametrize("prolog", [LAUGHS, OUTSIDE], ids=["laughs", "outside"])
@pytest.mark.parametrize("make", [_word, _slides, _sheet, _odt, _epub])
def test_no_entity_is_expanded(make: Callable[[str], bytes], prolog: str) -> None:
    try:
        text = read(make(prolog), "document")
    except DocumentUnreadable:
        return
    assert "root:" not in text
    assert "haha" not in text


# --- depth, and everything cut short -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"[" * 200_000, "a.json", "nested more than"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "a.json", "nested more than"),
        (b'{"a": 1', "a.json", r"not valid JSON \(line 1\)"),
        (b"no fields at all", "a.eml", "no e-mail message"),
        (b"a\xffb,\xfe\xfd\nc,d", "a.csv", "broken UTF-8"),
        (b"{}", "a.json", "no text"),
        (workbook({"A": []}), "a.xlsx", "no text"),
        (odt_of(b"<a><b></a>"), "a.odt", "damaged"),
        (odt_of(b"<a/>"), "a.odt", "damaged"),
        (stored({"mimetype": b"application/epub+zip"}), "a.epub", "damaged"),
        (stored({"mimetype": b"application/vnd.oasis.opendocument.text"}), "a.odt", "damaged"),
        (archive({"inner.zip": archive({"inner.zip": archive({"a": b"b"})})}), "a.zip", "inside an archive"),
    ],
)
def test_bad_files(data: bytes, name: str, message: str) -> None:
    with pytest.raises(DocumentUnreadable, match=message):
        read(data, name)


def test_odt_of_any_depth() -> None:
    assert "deep" in read(
        odt("<text:section>" * 5_000 + "<text:p>deep</text:p>" + "</text:section>" * 5_000), "a"
    )


@pytest.mark.parametrize("make", [slides, word, lambda: workbook({"A": [["x", "y"], [1, 2]]})])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_whatever_is_cut_short_is_refused(make: Callable[[], Any], share: float) -> None:
    data = make()
    with pytest.raises(DocumentUnreadable, match="damaged or cut short"):
        read(data[: int(len(data) * share)], "cut")
