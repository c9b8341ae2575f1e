"""Paragraphs, headings and rows out of lines with places, without any PDF."""

from __future__ import annotations

from aura_local.retrieval.readers.pdf_layout import layout_blocks
from aura_local.retrieval.readers.pdf_lines import Line

WIDE = "The museum keeps four thousand clocks of every size and age in its two"


def page(number: int, *texts: str, height: float = 12) -> list[Line]:
    """Lines below each other from the top; an empty text is an empty line."""
    return [
        Line(text, number, height, 50, 50 + 6 * len(text), 780 - 15 * n)
        for n, text in enumerate(texts)
        if text
    ]


def shown(lines: list[Line]) -> list[tuple[str, int, str]]:
    return [(block.kind, block.page, block.text) for block in layout_blocks(lines)]


def test_what_repeats_at_the_edges_is_dropped() -> None:
    rooms = "one two six ten all".split()
    lines: list[Line] = []
    for n, room in enumerate(rooms, start=1):
        lines += page(n, "City museum", "", f"{WIDE} {room}", f"rooms. Room {room} is open.", "", f"Page {n}")
    texts = [text for _, _, text in shown(lines)]
    assert texts == ["City museum", *(f"{WIDE} {room} rooms. Room {room} is open." for room in rooms)]


def test_a_sentence_over_the_end_of_a_page_stays_whole_on_the_page_it_begins_on() -> None:
    lines = [
        *page(1, WIDE, WIDE.lower()),
        *page(2, "houses. All are wound on Monday, before the gates"),
    ]
    assert shown(lines) == [
        ("paragraph", 1, f"{WIDE} {WIDE.lower()} houses."),
        ("paragraph", 2, "All are wound on Monday, before the gates"),
    ]


def test_divided_words_are_made_whole_and_compounds_stay_so() -> None:
    lines = page(1, f"{WIDE} well-known hou\xad", "ses, which are well\xad", "known for their clocks.")
    assert shown(lines) == [
        ("paragraph", 1, f"{WIDE} well-known houses, which are well-known for their clocks.")
    ]


def test_headings_by_size_and_by_standing_alone() -> None:
    title = Line("Visiting", 1, 20, 50, 120, 830)
    lines = [title, *page(1, WIDE, WIDE, "houses.", "", "", "Opening hours", "", WIDE, WIDE, "houses.")]
    blocks = list(layout_blocks(lines))
    assert [(block.text, block.level) for block in blocks if block.kind == "heading"] == [
        ("Visiting", 1),
        ("Opening hours", 3),
    ]


def test_rows_of_cells_and_points_of_lists() -> None:
    cells = Line("Monday closed", 1, 12, 50, 400, 700, cells=("Monday", "closed"))
    lines = [*page(1, "Bring with you:", "• a ticket that you bought", "on the web", "• a coat"), cells]
    assert shown(lines)[-3:] == [
        ("list_item", 1, "a ticket that you bought on the web"),
        ("list_item", 1, "a coat"),
        ("table_row", 1, "Monday | closed"),
    ]
