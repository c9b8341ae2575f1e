"""What counts as finding a gold place, at its boundaries."""

from __future__ import annotations

import pytest

from aura_local.evaluation.dataset import Gold
from aura_local.evaluation.hits import GoldPlaces, Place, shingles, without_white_space

DOCUMENT = "docs/a.md"


def hit(gold: Gold, text: str, *, document: str = DOCUMENT, pages: tuple[int, int] | None = None) -> bool:
    return bool(GoldPlaces(DOCUMENT, [gold]).hit_by(Place(document, text, pages)))


def numbered(count: int) -> str:
    """A text without white space in which no stretch of 30 characters occurs twice."""
    return "".join(f"<{number:013d}>" for number in range(count))


def test_white_space_does_not_count() -> None:
    gold = Gold("opens at\n  nine")
    assert hit(gold, "The museum opens at nine o'clock.")
    assert hit(gold, "opens\u00a0at")
    assert not hit(gold, "The museum closes at nine.")


def test_nothing_and_another_document_are_no_hits() -> None:
    gold = Gold("opens at nine")
    assert not hit(gold, " \n")
    assert not hit(gold, "opens at nine", document="docs/b.md")
    assert not GoldPlaces(None, []).hit_by(Place(None, "opens at nine"))


def test_shingles_are_30_characters_at_steps_of_15() -> None:
    text = numbered(4)
    assert [len(text), *map(len, shingles(text))] == [60, 30, 30, 30]
    assert shingles(text) == (text[0:30], text[15:45], text[30:60])
    assert shingles("x" * 29) == ()


@pytest.mark.parametrize(("held", "expected"), [(2, False), (3, True)])
def test_three_of_ten_shingles_are_enough_and_two_are_not(held: int, expected: bool) -> None:
    text = numbered(11)
    assert len(shingles(text)) == 10
    # n shingles in a row end 15 characters after n - 1 steps.
    part = text[: 15 * (held + 1)]
    assert hit(Gold(text), f"before {part} after") is expected


@pytest.mark.parametrize(("held", "expected"), [(28, False), (29, False), (30, True)])
def test_thirty_per_cent_exactly(held: int, expected: bool) -> None:
    text = numbered(101)
    assert len(shingles(text)) == 100
    assert hit(Gold(text), "#" + text[: 15 * (held + 1)] + "#") is expected


def test_a_short_gold_has_to_be_there_whole() -> None:
    assert not hit(Gold("It opens at nine sharp"), "and it opens at nine")
    # ... but for a passage that is inside it, as this one is:
    assert hit(Gold("It opens at nine sharp"), "opens at nine", pages=None)


def test_pages() -> None:
    gold = Gold(page=7)
    for pages, expected in [((7, 7), True), ((5, 7), True), ((7, 9), True), ((8, 9), False), (None, False)]:
        assert hit(gold, "whatever", pages=pages) is expected, pages


def test_a_document_alone() -> None:
    assert hit(Gold(), "whatever")
    assert not hit(Gold(), "whatever", document="docs/b.md")


def test_each_gold_is_told_apart() -> None:
    places = GoldPlaces(DOCUMENT, [Gold("one thing"), Gold("another thing"), Gold(page=2)])
    assert len(places) == 3
    assert places.hit_by(Place(DOCUMENT, "one thing and another thing")) == {0, 1}
    assert places.hit_by(Place(DOCUMENT, "x", (2, 2))) == {2}
    assert without_white_space(" a\tb\n") == "ab"
