"""What is kept of a sentence that nobody would say as it stands."""

from __future__ import annotations

import pytest

from aura_local.conversation.quotation import WORDS_AT_MOST, speakable

LONG = (
    "The association, which was founded by three retired railway workers in a room above the bakery, has "
    "since then collected some forty thousand objects from every corner of the valley; the yearly fee for "
    "members is twelve pounds, payable in spring, and it admits a guest on every day on which the galleries "
    "are open."
)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("when does it open on monday", "Day: Monday, Opens: 9:00"),
        ("when does it close on monday", "Day: Monday, Closes: 17:00"),
        ("tell me", "Day: Monday, Opens: 9:00, Closes: 17:00"),
    ],
)
def test_of_a_row_the_cells_that_were_asked_for(question: str, said: str) -> None:
    assert speakable("Day: Monday | Opens: 9:00 | Closes: 17:00", question) == said


def test_of_a_long_sentence_the_clauses_that_were_asked_for() -> None:
    said = speakable(LONG, "how much is the fee for members")
    assert "the yearly fee for members is twelve pounds" in said
    assert len(said.split()) <= WORDS_AT_MOST
    assert said.endswith(".")
    assert said.rstrip(".") in LONG, "no word is changed"


def test_a_negation_is_not_cut_off() -> None:
    text = "It is not true that " + "many " * 30 + "visitors think, that dogs are allowed in the garden."
    assert speakable(text, "are dogs allowed in the garden").startswith("It is not true")


def test_a_sentence_without_clauses_is_cut_at_the_limit() -> None:
    assert len(speakable("word " * 500, "what").split()) == WORDS_AT_MOST


@pytest.mark.parametrize("bullet", ["- ", "* ", "• ", "1. ", "(2) "])
def test_the_mark_of_a_list_is_left_out(bullet: str) -> None:
    assert speakable(f"{bullet}Bring a towel.", "what") == "Bring a towel."


@pytest.mark.parametrize("text", ["We open at nine.", "12. May is a holiday"[4:], "Yes, free, every day."])
def test_a_short_sentence_stays(text: str) -> None:
    assert speakable(text, "when") == text
