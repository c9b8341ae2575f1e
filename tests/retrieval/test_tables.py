"""What the rows of a table become, in every format that has tables."""

from __future__ import annotations

import datetime
import io
from typing import Any

import openpyxl
import pytest

from aura_local.retrieval.readers.document import read_document
from aura_local.retrieval.readers.limits import ReadingLimits
from tests.retrieval.office_files import workbook
from tests.retrieval.reading import LONG, read, shown


@pytest.mark.parametrize(
    "text",
    [
        "item,price\ncard,2.50\nbook,12\n",
        "item;price\r\ncard;2.50\r\nbook;12\r\n",
        "item\tprice\ncard\t2.50\nbook\t12\n",
        'sep=|\nitem|price\n"card"|2.50\nbook|12',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_of_any_delimiter_and_encoding(text: str, encoding: str) -> None:
    assert shown(read(text.encode(encoding), "prices.csv")) == [
        "| item: card | price: 2.50",
        "| item: book | price: 12",
    ]


def test_csv_without_a_header_keeps_its_first_row() -> None:
    assert shown(read(b"card,2.50\nbook,12\n", "prices.csv")) == ["| card | 2.50", "| book | 12"]
    assert shown(read(b"Ann\nBob\nEve\n", "names.csv")) == ["| Ann", "| Bob", "| Eve"]


def test_csv_with_a_title_line_above_its_header() -> None:
    assert shown(read(b"Prices,,\nitem,price\ncard,2\n", "prices.csv")) == [
        "# Prices",
        "| item: card | price: 2",
    ]


def test_questions_and_answers_become_sections() -> None:
    data = f'question,answer,topic\nWho founded it?,"{LONG}\n\n{LONG}",history\n'
    assert shown(read(data.encode(), "faq.csv")) == [
        "# Who founded it?",
        LONG.strip(),
        LONG.strip(),
        "| topic: history",
    ]


def test_a_csv_of_paragraphs_alone() -> None:
    assert shown(read(f'notes\n"{LONG}"\n"{LONG}"\n'.encode(), "notes.csv")) == [LONG.strip(), LONG.strip()]


def test_xlsx() -> None:
    rows: list[list[Any]] = [
        ["Prices of 2026"],
        ["Item", "Price", "Share", "Since", "Sold"],
        ["Card", 2.5, 0.25, datetime.date(2026, 3, 1), True],
        [],
        ["Book", 12, 1, datetime.datetime(2026, 3, 1, 9, 30), None],
    ]
    data = workbook(
        {"Shop": rows, "Empty": [], "Staff": [["Name", "Room"], ["Ann", 3]]},
        {"B3": '"€" #,##0.00', "B5": "#,##0 €", "C3": "0%", "C5": "0%"},
    )
    assert shown(read(data, "shop.xlsx")) == [
        "# Shop",
        "## Prices of 2026",
        "| Item: Card | Price: €2.50 | Share: 25% | Since: 2026-03-01 | Sold: yes",
        "| Item: Book | Price: 12 € | Share: 100% | Since: 2026-03-01 09:30",
        "# Staff",
        "| Name: Ann | Room: 3",
    ]


def test_hidden_sheets_are_left_out_and_said() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook({"A": [["x", "y"], [1, 2]], "B": [["secret", 5]]})))
    book["B"].sheet_state = "hidden"
    target = io.BytesIO()
    book.save(target)
    reading = read_document(target.getvalue(), "a.xlsx", ReadingLimits())[1]
    assert "secret" not in " ".join(shown(list(reading.blocks)))
    assert reading.warnings == ["1 hidden sheets were not read."]


def test_tables_of_html_carry_their_header_and_layout_tables_do_not() -> None:
    page = (
        "<table><caption>Fees</caption><tr><th>Item<th>Fee<tr><td>Bag<td>1"
        "<tr><td colspan=2>free on Sunday</table>"
        "<table><tr><th>Founded</th><td>1882</td></tr></table>"
        "<table><tr><td><b>Day</b><td><b>Guide</b><tr><td>Monday<td>A<i>n</i>n</table>"
        "<table><tr><td><h2>News</h2><p>one<p>two</table>"
    )
    assert shown(read(page.encode(), "a.html")) == [
        "Fees",
        "| Item: Bag | Fee: 1",
        "| Item: free on Sunday",
        "| Founded: 1882",
        "| Day: Monday | Guide: Ann",
        "## News",
        "| one two",
    ]


def test_markdown_tables_with_and_without_bars_at_their_ends() -> None:
    text = "Name | Room\n--- | ---\nAnn | 3\n\n| a | b |\n| c | d |\n\n```\n| code |\n```\n"
    assert shown(read(text.encode(), "a.md")) == ["| Name: Ann | Room: 3", "| a | b", "| c | d", "| code |"]
