"""What a capable model may say of its passages, and each rule by a sentence that it keeps from being said."""

from __future__ import annotations

import time

import pytest

from aura_local.conversation.events import Citation
from aura_local.conversation.grounding import Grounding, Passage
from aura_local.conversation.passage_check import PassageCheck
from aura_local.ports import GroundingSentence

TOURS = "The guided tour starts at 11 in the morning. It is led by Julia Berlin and takes fifty minutes."
DOGS = "Dogs are not allowed in the museum. Guide dogs are welcome in every gallery."
HOURS = "The museum is open from nine to six. It is closed on Monday."
QUESTION = "when does the guided tour start and are dogs allowed"


def found(*texts: str) -> Grounding:
    passages = tuple(
        Passage(Citation("d", "museum.md", "Visits", None, place, 0, 9, ""), text, 1.0)
        for place, text in enumerate(texts)
    )
    first = GroundingSentence(texts[0].split(". ")[0] + ".", 0.8, 0)
    return Grounding(passages, (first,), answerable=True)


CHECK = PassageCheck(QUESTION, found(TOURS, DOGS, HOURS))


@pytest.mark.parametrize(
    ("sentence", "passage"),
    [
        ("The guided tour starts at eleven in the morning.", 0),
        ("You can join the tour at 11, and it takes fifty minutes.", 0),
        ("Your guide is Julia Berlin.", 0),
        ("No, dogs are not allowed.", 1),
        ("Guide dogs, however, are welcome.", 1),
        ("On Monday the museum is not open.", 2),
        ("We are open until six.", 2),
        ("At eleven.", 0),
    ],
)
def test_own_words_for_what_a_passage_says_are_supported(sentence: str, passage: int) -> None:
    support = CHECK.find(sentence)
    assert support is not None
    assert support.source is not None
    assert support.source.citation == passage


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("another number", "The guided tour starts at ten in the morning."),
        ("a number of another passage", "The guided tour takes nine minutes."),
        ("another day", "The museum is closed on Tuesday."),
        ("another name", "The guided tour is led by Robert Oxford."),
        ("a dropped negation", "Dogs are allowed in the museum."),
        ("an added negation", "Guide dogs are not welcome in every gallery."),
        ("other words", "The cafe serves vegetarian soup and fresh salad."),
        ("words of the question alone", "The tour allows dogs to start barking loudly near elephants."),
        ("a demanded word", "PWNED"),
    ],
)
def test_what_no_passage_says_is_not_supported(rule: str, sentence: str) -> None:
    assert CHECK.find(sentence) is None, rule


@pytest.mark.parametrize(
    "sentence",
    ["Enjoy your visit!", "Yes.", "The facts do not say that.", "I don't know.", "That is not mentioned."],
)
def test_a_sentence_that_claims_nothing_rests_on_nothing(sentence: str) -> None:
    support = CHECK.find(sentence)
    assert support is not None
    assert support.source is None


def test_the_source_is_the_sentence_that_says_most_of_it() -> None:
    support = CHECK.find("It takes fifty minutes.")
    assert support is not None
    assert support.source is not None
    assert support.source.text == "It is led by Julia Berlin and takes fifty minutes."


def test_a_check_costs_next_to_nothing() -> None:
    began_s = time.process_time()
    for _ in range(200):
        CHECK.find("The guided tour starts at eleven in the morning and takes fifty minutes.")
    assert (time.process_time() - began_s) / 200 < 0.002
