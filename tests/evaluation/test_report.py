"""The report has the fields that it promises, and people read the same figures."""

from __future__ import annotations

from pathlib import Path

from aura_local.evaluation.dataset import EvaluationSet, Gold, SetQuestion
from aura_local.evaluation.metrics import Ranked
from aura_local.evaluation.report import (
    ANSWER_COLUMNS,
    RETRIEVAL_COLUMNS,
    answer_report,
    retrieval_report,
    rows,
)
from aura_local.evaluation.retrieval_evaluation import Declined, RetrievalOutcome


def question(name: str, kind: str) -> SetQuestion:
    return SetQuestion(name, kind, "?", "docs/a.md", (Gold(),))


SET = EvaluationSet(
    Path("set"), ("docs/a.md",), (question("b", "late"), question("a", "early"), question("c", "late"))
)
HIT = Ranked((10,), (frozenset({0}),), 1)
MISS = Ranked((10,), (frozenset(),), 1)
SECOND = Ranked((100, 100), (frozenset(), frozenset({0})), 1)


def test_the_shape_of_the_report() -> None:
    rankings = {"a": SECOND, "b": HIT, "c": MISS}
    report = retrieval_report(
        SET,
        RetrievalOutcome(
            rankings=rankings,
            baselines={"bm25_1000": {"a": MISS, "b": MISS, "c": MISS}},
            no_answer=Declined(3, 4),
            answerable=Declined(1, 3),
            cross_document=Declined(0, 0),
            milliseconds=(1.0, 2.0, 30.0),
            passages=7,
        ),
    )
    assert list(report) == ["ours", "baselines", "declined", "milliseconds", "missed"]
    assert list(report["ours"]) == ["late", "early", "all"]
    assert report["ours"]["late"] == {
        "recall_150": 0.5,
        "recall_300": 0.5,
        "recall_800": 0.5,
        "recall_at_1": 0.5,
        "recall_at_5": 0.5,
        "recall_at_10": 0.5,
        "mrr": 0.5,
        "ndcg_10": 0.5,
        "n": 2,
    }
    assert report["ours"]["all"]["mrr"] == 0.5
    assert report["baselines"]["bm25_1000"]["all"]["recall_800"] == 0.0
    assert report["declined"] == {
        "no_answer": {"share": 0.75, "n": 4},
        "cross_document": {"share": None, "n": 0},
        "unanswerable": {"share": 0.75, "n": 4},
        "answerable": {"share": 0.3333, "n": 3},
    }
    assert report["missed"] == {"recall_150": ["a", "c"], "recall_300": ["c"], "recall_800": ["c"]}
    assert report["milliseconds"] == {"p50": 2.0, "p95": 30.0}


def test_a_type_that_was_not_sampled_is_not_in_the_report() -> None:
    outcome = RetrievalOutcome({"a": HIT}, {}, Declined(0, 0), Declined(0, 1), Declined(0, 0), (1.0,), 1)
    assert list(retrieval_report(SET, outcome)["ours"]) == ["early", "all"]


def test_rows_have_the_columns_in_their_order() -> None:
    outcome = RetrievalOutcome({"a": HIT}, {}, Declined(0, 0), Declined(0, 1), Declined(0, 0), (1.0,), 1)
    report = retrieval_report(SET, outcome)
    assert ("type", *report["ours"]["early"]) == RETRIEVAL_COLUMNS
    assert next(iter(rows(report["ours"]))) == ["early", *["1.000"] * 8, "1"]
    assert list(rows(report["declined"]))[1] == ["cross_document", "-", "0"]
    assert ("type", *answer_report([])["ours"]["all"]) == ANSWER_COLUMNS
