"""What the blocks of each format are; `test_tables` has their tables."""

from __future__ import annotations

import io
import zipfile

import pytest

from aura_local.errors import DocumentUnreadable, UnsupportedMedia
from aura_local.retrieval.readers.document import read_document
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.media_type import READ_HERE, READABLE_SUFFIXES
from tests.retrieval.documents import archive, pdf, word
from tests.retrieval.office_files import epub, message, odt, slides, stored
from tests.retrieval.reading import LONG, read, shown

# --- text --------------------------------------------------------------------------------------------


def test_headings_of_plain_text() -> None:
    text = (
        "Visitors\n\nWe welcome you on every day but Monday.\n\n1. May I bring a dog?\n\n"
        "   No, dogs have to stay outside.\n\n== Fees ==\nBags cost one euro.\nMain Street 1\n\nNewtown\n"
    )
    assert shown(read(text.encode(), "a.txt")) == [
        "## Visitors",
        "We welcome you on every day but Monday.",
        "## May I bring a dog?",
        "No, dogs have to stay outside.",
        "## Fees",
        "Bags cost one euro. Main Street 1",
        "Newtown",
    ]


def test_lines_that_nobody_wrapped_are_paragraphs() -> None:
    text = f"{LONG}\n{LONG}\n= = Clocks = =\nshort\nlines"
    for name in ("a.txt", "a.md"):
        assert shown(read(text.encode(), name)) == [LONG.strip(), LONG.strip(), "## Clocks", "short lines"]


def test_what_stands_in_angle_brackets_stays_unless_it_is_html() -> None:
    assert shown(read(b"Call <name> or <b>the desk</b>.", "a.md")) == ["Call <name> or the desk ."]


@pytest.mark.parametrize("mark", ["*a ", "[a", "<a ", "`a ", "**a", "[x](y(", "== ", "|-"])
def test_markdown_takes_no_quadratic_time(mark: str) -> None:
    read(mark.encode() * 20_000, "a.md")  # minutes, if any inline mark were looked for without bound


# --- data --------------------------------------------------------------------------------------------


def test_json_of_keys_and_of_records() -> None:
    text = (
        '{"title": "Shop", "hours": {"monday": null, "sunday": "10 to 4"}, "open": true, '
        '"goods": [{"item": "card", "price": 2.5}, {"item": "book", "stock": 3}], "tags": ["clock"]}'
    )
    assert shown(read(text.encode(), "shop.bin")) == [
        "title: Shop",
        "open: yes",
        "# hours",
        "sunday: 10 to 4",
        "# goods",
        "| item: card | price: 2.5",
        "| item: book | stock: 3",
        "# tags",
        "- clock",
    ]


def test_json_lines() -> None:
    assert shown(read(b'{"q": "a", "n": 1}\n{"q": "b", "n": 2}\n', "a.jsonl")) == [
        "| q: a | n: 1",
        "| q: b | n: 2",
    ]


# --- documents ---------------------------------------------------------------------------------------


def test_pptx() -> None:
    assert shown(read(slides(), "tickets.pptx")) == [
        "#@1 Tickets",
        "-@1 Children are free.",
        "-@1 Adults pay ten euros.",
        "|@1 Day: Monday | Hours: closed",
        "@1 Mention the discount.",
        "#@2 Tours",
        "-@2 Children are free.",
        "-@2 Adults pay ten euros.",
    ]


def test_odt() -> None:
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    row = "<table:table-row>{}</table:table-row>"
    rows = "".join(
        row.format("".join(map(cell.format, cells))) for cells in (("Day", "Hours"), ("Monday", "closed"))
    )
    data = odt(
        '<text:h text:outline-level="2">Visi<text:span>tors</text:span></text:h>'
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        "<text:p>Come<text:s/>in<text:note><text:note-citation>1</text:note-citation><text:note-body>"
        "<text:p>by the gate</text:p></text:note-body></text:note>.</text:p><text:p/>"
        "<text:list><text:list-item><text:p>No flash.</text:p></text:list-item></text:list>"
        f"<table:table>{rows}</table:table>"
    )
    assert shown(read(data, "a.odt")) == [
        "## Visitors",
        "Come in by the gate .",
        "- No flash.",
        "| Day: Monday | Hours: closed",
    ]


def test_epub_in_the_order_of_its_spine() -> None:
    chapter = "<html><head><title>{}</title></head><body>{}</body></html>"
    data = epub(
        {
            "one.xhtml": chapter.format("The beginning", "<p>First.</p>"),
            "two.xhtml": chapter.format("The guide", "<h2>The end</h2><p>Last &amp; least.</p>"),
        }
    )
    reading = read_document(data, "guide.epub", ReadingLimits())[1]
    assert reading.title == "The guide"
    assert shown(list(reading.blocks)) == ["# The beginning", "First.", "## The end", "Last & least."]


def test_mail() -> None:
    expected = [
        "# Opening hours für Pfingsten",
        "From: Ann <ann@example.org> | To: desk@example.org | Date: Mon, 01 Jun 2026 09:00:00 +0200",
        "We open at ten.",
        "Attachments: plan.pdf",
    ]
    assert shown(read(message("We open at ten.\n\n-- \nAnn\n"), "a.eml")) == expected
    assert shown(read(message(None, "<p>We open at <b>ten</b>."), "no-ending")) == expected


def test_a_letter_is_not_taken_for_mail() -> None:
    assert read_document(b"From: the desk\n\nWe open at ten.", "a.txt", ReadingLimits())[0] == "text/plain"


# --- archives ----------------------------------------------------------------------------------------


def test_an_archive_is_one_document() -> None:
    data = archive(
        {
            "folder/": b"",
            "folder/hours.md": b"# Hours\n\nWe open at ten.",
            "tour.pdf": pdf(["Tours begin at noon."]),
            "photo.png": b"\x89PNG\r\n\x1a\n" + bytes(50),
            "inner.zip": archive({"a.txt": b"hidden"}),
            "rules.docx": word(),
            "__MACOSX/._tour.pdf": b"litter",
        }
    )
    media_type, reading = read_document(data, "all.zip", ReadingLimits())
    lines = shown(list(reading.blocks))
    assert media_type == "application/zip"
    assert lines[:6] == [
        "# folder/hours.md",
        "## Hours",
        "We open at ten.",
        "# tour.pdf",
        "@1 Tours begin at noon.",
        "# rules.docx",
    ]
    assert [warning.partition(",")[0] for warning in reading.warnings] == [
        "photo.png: An image inside an archive is not read; add it by itself.",
        "inner.zip: An archive inside an archive is not opened.",
    ]


def test_paths_and_links_in_an_archive_are_mere_text() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as new:
        for name in ("../../etc/passwd", "/abs/a.txt", "C:\\..\\b.txt", "x" * 1000 + ".txt", "con\ntrol.txt"):
            new.writestr(name, "readable")
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = 0o120777 << 16
        new.writestr(link, "/etc/passwd")
    reading = read_document(target.getvalue(), "a.zip", ReadingLimits())[1]
    headings = [block.text for block in reading.blocks if block.kind == "heading"]
    assert headings == ["etc/passwd", "abs/a.txt", "C:/b.txt", "x" * 296 + ".txt", "con trol.txt"]
    assert reading.warnings == ["link.txt: A link is not followed."]


def test_an_archive_with_nothing_to_read_is_refused() -> None:
    with pytest.raises(DocumentUnreadable, match=r"nothing that can be read.*a\.png"):
        read(stored({"a.png": b"\x89PNG\r\n\x1a\n"}), "a.zip")


# --- kinds -------------------------------------------------------------------------------------------


def test_what_a_file_is_counts_and_not_its_name() -> None:
    assert read_document(slides(), "sheet.xlsx", ReadingLimits())[0].endswith("presentationml.presentation")
    assert read_document(odt("<text:p>x</text:p>"), "x.docx", ReadingLimits())[0].endswith(
        "opendocument.text"
    )
    with pytest.raises(UnsupportedMedia, match="holds plain text"):
        read(b"no workbook", "a.xlsx")


def test_every_kind_that_is_named_has_an_ending() -> None:
    for kind in READ_HERE.removesuffix(" are read").replace(" and ", ", ").split(", "):
        assert f".{kind}" in READABLE_SUFFIXES
