"""The kind of answer a question asks for decides between sentences that are about equally similar."""

from __future__ import annotations

import pytest

from aura_local.adapters.answer_types import asked_for, holds
from aura_local.adapters.extractive_model import choose_sentences
from aura_local.ports import GroundingSentence


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When does it open?", "time"),
        ("how long does it take", "time"),
        ("How many rooms are there?", "number"),
        ("what does a ticket cost", "number"),
        ("Who leads the tour?", "person"),
        ("Where is the cafe?", "place"),
        ("which floor is it on", "place"),
        ("Are dogs allowed?", None),
        ("Wie viele Zimmer?", "number"),
    ],
)
def test_the_kind_is_read_from_the_question(question: str, kind: str | None) -> None:
    assert asked_for(question) == kind


def test_what_holds_an_answer() -> None:
    assert holds("It opens at nine.", "time")
    assert holds("There are 12 rooms.", "number")
    assert holds("The tour is led by Julia Berlin.", "person")
    assert holds("The cafe is behind the hall.", "place")
    assert not holds("The rooms are large.", "number")
    assert not holds("The tour is led by a guide.", "person")


def test_of_equally_similar_sentences_the_one_with_the_answer_is_quoted() -> None:
    vague = GroundingSentence("The rooms of the hotel are large and bright.", 0.80, 0)
    exact = GroundingSentence(
        "The hotel has twelve rooms with a view of the whole bay and its harbour.", 0.78, 1
    )
    assert choose_sentences((vague, exact), question="how many rooms has the hotel")[0] == exact
    assert choose_sentences((vague, exact), question="is the hotel nice")[0] == vague
    far = GroundingSentence(exact.text, 0.7, 1)
    assert choose_sentences((vague, far), question="how many rooms has the hotel")[0] == vague
