"""The first clause early, whole sentences afterwards, and never a word lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_local.conversation.sentences import ClauseSplitter


def split(*pieces: str, early_clause: bool = True) -> list[str]:
    splitter = ClauseSplitter(early_clause=early_clause)
    ready = [part for piece in pieces for part in splitter.push(piece)]
    return ready + splitter.finish()


def test_the_first_clause_is_not_kept_waiting() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("On weekdays in the summer, the museum ") == ["On weekdays in the summer, "]
    assert splitter.push("opens at nine, ") == []
    assert splitter.push("and closes at six. Then ") == ["the museum opens at nine, and closes at six. "]
    assert splitter.unfinished == "Then "
    assert splitter.finish() == ["Then "]


@pytest.mark.parametrize(
    "text", ["Yes, the museum is open", "Well, you see, it is open", "In antediluvian-times, it is"]
)
def test_a_short_fragment_is_not_spoken_alone(text: str) -> None:
    """Under 24 characters or 3 words a clause sounds clipped."""
    assert split(text) == [text]


def test_only_the_first_clause_is_early() -> None:
    assert split("We open at nine. On weekdays in the summer, however, we close at six. ") == [
        "We open at nine. ",
        "On weekdays in the summer, however, we close at six. ",
    ]


def test_without_early_clauses_only_sentences_come() -> None:
    assert split("On weekdays in the summer, we open at nine. Bye", early_clause=False) == [
        "On weekdays in the summer, we open at nine. ",
        "Bye",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "We open at 10.30 on weekdays",
        "It costs 3.50 euros",
        "Call Mr. Smith or Dr. Jones at St. Mary",
        "Bring snacks, e.g. fruit, i.e. apples",
        "Doors open at 9 a.m. on Sundays and close at 5 p.m. on Mondays",
        "It is approx. two metres, see J. Smith vs. the state, no. 7",
        "The address is www.museum.example today",
    ],
)
def test_not_every_full_stop_ends_a_sentence(text: str) -> None:
    assert split(text + ". Next. ", early_clause=False) == [text + ". ", "Next. "]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Well... that depends. ", ["Well... ", "that depends. "]),
        ("Really?! Yes! ", ["Really?! ", "Yes! "]),
        ('He said "no." Then he left. ', ['He said "no." ', "Then he left. "]),
        ("(It is closed.) Sorry. ", ["(It is closed.) ", "Sorry. "]),
        ("It ends… here. ", ["It ends… ", "here. "]),
        ("One.\nTwo.\n", ["One.\n", "Two.\n"]),
    ],
)
def test_ends_of_sentences(text: str, pieces: list[str]) -> None:
    assert split(text, early_clause=False) == pieces


def test_a_full_stop_is_an_end_only_when_something_follows() -> None:
    """The next token may be a digit: "10." may become "10.30"."""
    splitter = ClauseSplitter(early_clause=False)
    assert splitter.push("It opens at 10.") == []
    assert splitter.push("30. Bye") == ["It opens at 10.30. "]


def test_nothing_and_only_spaces_are_nothing() -> None:
    assert split() == split("") == split("  \n ") == []


texts = st.text(st.sampled_from("ab A1.,;:!?…\"')\n"), max_size=80)


@given(texts, st.lists(st.integers(1, 9), max_size=80), st.booleans())
def test_the_pieces_are_the_text_however_it_arrives(text: str, lengths: list[int], early: bool) -> None:
    pieces, position = [], 0
    for length in [*lengths, len(text)]:
        pieces.append(text[position : position + length])
        position += length
    ready = split(*pieces, early_clause=early)
    joined = "".join(ready)
    assert text.startswith(joined)
    assert not text[len(joined) :].strip()
    assert all(part.strip() for part in ready[-1:])
    assert ready == split(text, early_clause=early)
