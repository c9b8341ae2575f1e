"""Each rule that makes a question whole, by a conversation that needs it, and what must not be touched."""

from __future__ import annotations

import pytest

from aura_local.conversation.prompt import Exchange
from aura_local.conversation.self_contained import self_contained

TOUR = "How much is a guided tour?"


@pytest.mark.parametrize(
    ("before", "question", "whole"),
    [
        (TOUR, "How long does it take?", "How long does a guided tour take?"),
        (TOUR, "and how long does it take", "and how long does a guided tour take"),
        (TOUR, "who made that one", "who made a guided tour"),
        (TOUR, "until when?", "until when a guided tour"),
        (TOUR, "is that free", "is a guided tour free"),
        ("when do you open the cafe", "and on sundays?", "when do you open the cafe on sundays"),
        ("how much is an adult ticket", "and for students", "how much is ticket for students"),
        ("how much is an adult ticket", "and students", "how much is students ticket"),
        ("how much is an adult ticket", "what about a child ticket", "how much is a child ticket"),
        ("where is the cafe", "how do i get there", "how do i get to the cafe"),
        ("where is the cafe", "what can i eat there", "what can i eat at the cafe"),
        ("are dogs allowed in the museum", "where can i leave them", "where can i leave dogs"),
        ("how many lights are on the castle lamp", "where is it", "where is the castle lamp"),
        ("is there free wifi", "what is the password for it", "what is the password for free wifi"),
    ],
)
def test_a_question_is_made_whole(before: str, question: str, whole: str) -> None:
    assert self_contained(question, [Exchange(before, "It is.")]) == whole


def test_a_person_is_named_by_the_answer() -> None:
    before = Exchange("who found the silver watch", "Julia Berlin found the silver watch in a garden.")
    assert self_contained("where did she find it", [before]) == "where did Julia Berlin find the silver watch"


def test_without_a_noun_in_the_question_the_answer_says_what_it_is_about() -> None:
    before = Exchange("where can i eat", "The restaurant is on the fifth floor.")
    assert self_contained("when does it open", [before]) == "when does the restaurant open"


def test_a_chain_of_follow_ups_goes_back_to_its_beginning() -> None:
    history = [Exchange(TOUR, "Six euros."), Exchange("how long does it take", "Fifty minutes.")]
    assert self_contained("where does it start", history) == "where does a guided tour start"


@pytest.mark.parametrize(
    "question",
    [
        "how far is it from the train station",
        "is it possible to pay by card",
        "will it rain tomorrow",
        "i lost my bag where can i get it back",
        "are there seats in the cinema",
        "how old is that train",
        "what time does the museum open",
        "hello",
        "okay thanks",
        "",
        "???",
    ],
)
def test_a_question_that_stands_alone_is_not_touched(question: str) -> None:
    assert self_contained(question, [Exchange(TOUR, "A guided tour costs six euros.")]) == question


def test_without_a_conversation_or_a_table_nothing_is_done() -> None:
    assert self_contained("how much is it", []) == "how much is it"
    assert (
        self_contained("ile to kosztuje", [Exchange("gdzie jest muzeum", "Tu.")], "pl") == "ile to kosztuje"
    )


@pytest.mark.parametrize(
    ("language", "before", "question", "whole"),
    [
        ("de", "Was kostet die Führung?", "Wie lange dauert sie?", "Wie lange dauert die führung?"),
        ("fr", "Où est le restaurant ?", "Quand ouvre il ?", "Quand ouvre le restaurant ?"),
        ("es", "¿Dónde está el restaurante?", "¿Y los domingos?", "¿Dónde está el restaurante los domingos"),
    ],
)
def test_other_languages(language: str, before: str, question: str, whole: str) -> None:
    assert self_contained(question, [Exchange(before, "…")], language) == whole
