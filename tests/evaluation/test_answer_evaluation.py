"""Answers of the product's own path, judged."""

from __future__ import annotations

import pytest

from aura_local.evaluation.answer_evaluation import AnswerOutcome, contains, evaluate_answers
from aura_local.evaluation.dataset import Gold, SetQuestion
from aura_local.evaluation.report import answer_report
from tests.evaluation.conftest import Scene


@pytest.mark.parametrize(
    ("text", "expected", "right"),
    [
        ("The museum opens at nine.", "nine", True),
        ("At NINE, every day!", "nine every day", True),
        ("It was built in 1975.", "75", False),
        ("It opens at nineteen.", "nine", False),
        ("Café Müller", "cafe", False),
        ("Café Müller", "CAFÉ", True),
        ("", "nine", False),
    ],
)
def test_an_answer_contains_the_expected_words_in_a_row(text: str, expected: str, right: bool) -> None:
    assert contains(text, expected) is right


@pytest.mark.anyio
async def test_answers_are_asked_for_and_their_places_looked_up(scene: Scene) -> None:
    outcomes = await evaluate_answers(scene.evaluation, scene.subject, scene.engine, per_type=None, seed=1)
    by_id = {one.question.id: one for one in outcomes}
    assert by_id["q1"].answered
    assert by_id["q1"].right is True
    assert by_id["q1"].citations == (True,)
    assert by_id["q2"].right is None
    # What the fourth question cites is the right sentence, but the set expects another document.
    assert by_id["q4"].answered
    assert by_id["q4"].citations == (False,)
    assert (by_id["q5"].answered, by_id["q5"].citations, by_id["q5"].first_text_ms) == (False, (), None)
    assert all(one.whole_ms > 0 for one in outcomes)


@pytest.mark.anyio
async def test_a_sample_of_each_type(scene: Scene) -> None:
    outcomes = await evaluate_answers(scene.evaluation, scene.subject, scene.engine, per_type=1, seed=1)
    assert sorted(one.question.type for one in outcomes) == ["none", "plain", "whole"]


def outcome(kind: str, *, answered: bool, right: bool | None, citations: tuple[bool, ...]) -> AnswerOutcome:
    document, golds = (None, ()) if kind == "none" else ("docs/a.md", (Gold(),))
    question = SetQuestion("q", kind, "?", document, golds)
    return AnswerOutcome(question, answered, right, citations, 10.0 if answered else None, 20.0)


def test_the_report_counts_what_there_is_and_never_divides_by_nothing() -> None:
    report = answer_report(
        [
            outcome("plain", answered=True, right=True, citations=(True, False)),
            outcome("plain", answered=True, right=False, citations=(True,)),
            outcome("plain", answered=False, right=False, citations=()),
            outcome("other", answered=True, right=None, citations=()),
            outcome("none", answered=True, right=None, citations=(False,)),
        ]
    )
    assert report["ours"] == {
        "plain": {
            "answer_accuracy": 0.3333,
            "n_with_answer": 3,
            "citation_precision": 0.6667,
            "n_citations": 3,
            "declined": 0.3333,
            "n": 3,
        },
        "other": {
            "answer_accuracy": None,
            "n_with_answer": 0,
            "citation_precision": None,
            "n_citations": 0,
            "declined": 0.0,
            "n": 1,
        },
        # Without the question that no document answers.
        "all": {
            "answer_accuracy": 0.3333,
            "n_with_answer": 3,
            "citation_precision": 0.6667,
            "n_citations": 3,
            "declined": 0.25,
            "n": 4,
        },
    }
    assert report["declined"] == {
        "no_answer": {"share": 0.0, "n": 1},
        "answerable": {"share": 0.25, "n": 4},
    }
    assert report["milliseconds"] == {
        "first_text": {"p50": 10.0, "p95": 10.0},
        "whole": {"p50": 20.0, "p95": 20.0},
    }
