"""Outcomes as values for a report, and as rows for people. Layer 4. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aura_local.evaluation.metrics import BUDGETS_TOKENS, Figures, figures, found_within, percentile, share

if TYPE_CHECKING:
    from aura_local.evaluation.answer_evaluation import AnswerOutcome
    from aura_local.evaluation.dataset import EvaluationSet
    from aura_local.evaluation.retrieval_evaluation import Declined, Rankings, RetrievalOutcome

ALL: Final = "all"
"""Every type of question together."""
RETRIEVAL_COLUMNS: Final = ("type", *Figures.__dataclass_fields__)
ANSWER_COLUMNS: Final = (
    "type", "answer_accuracy", "n_with_answer", "citation_precision", "n_citations", "declined", "n"
)  # fmt: skip


def retrieval_report(evaluation: EvaluationSet, outcome: RetrievalOutcome) -> dict[str, Any]:
    """`ours`, `baselines`, `declined`, `milliseconds`, and the questions `missed` within each budget."""
    return {
        "ours": _by_type(evaluation, outcome.rankings),
        "baselines": {name: _by_type(evaluation, found) for name, found in outcome.baselines.items()},
        "declined": {
            "no_answer": _declined(outcome.no_answer),
            "cross_document": _declined(outcome.cross_document),
            "unanswerable": _declined(outcome.no_answer + outcome.cross_document),
            "answerable": _declined(outcome.answerable),
        },
        "milliseconds": _percentiles(outcome.milliseconds),
        "missed": {
            f"recall_{tokens}": [
                name for name, ranked in outcome.rankings.items() if not found_within(ranked, tokens)
            ]
            for tokens in BUDGETS_TOKENS
        },
    }


def answer_report(outcomes: Sequence[AnswerOutcome]) -> dict[str, Any]:
    """`ours`, `declined` and `milliseconds`."""
    answerable = [one for one in outcomes if one.question.answerable]
    unanswerable = [one for one in outcomes if not one.question.answerable]
    kinds = dict.fromkeys(one.question.type for one in answerable)
    ours = {kind: _answers([one for one in answerable if one.question.type == kind]) for kind in kinds}
    first_text_ms = [one.first_text_ms for one in outcomes if one.first_text_ms is not None]
    return {
        "ours": {**ours, ALL: _answers(answerable)},
        "declined": {
            "no_answer": {"share": _declined_share(unanswerable), "n": len(unanswerable)},
            "answerable": {"share": _declined_share(answerable), "n": len(answerable)},
        },
        "milliseconds": {
            "first_text": _percentiles(first_text_ms),
            "whole": _percentiles([one.whole_ms for one in outcomes]),
        },
    }


def rows(figures_by_type: Mapping[str, Mapping[str, float | int | None]]) -> Iterable[list[str]]:
    """One row per type, its figures as people read them."""
    for kind, measured in figures_by_type.items():
        yield [kind, *(_cell(value) for value in measured.values())]


def _by_type(evaluation: EvaluationSet, rankings: Rankings) -> dict[str, dict[str, float | int]]:
    asked = [one for one in evaluation.questions if one.id in rankings]
    kinds = dict.fromkeys(one.type for one in asked)
    measured = {
        kind: figures([rankings[one.id] for one in asked if one.type == kind]).as_json() for kind in kinds
    }
    return {**measured, ALL: figures(list(rankings.values())).as_json()}


def _declined(declined: Declined) -> dict[str, float | int | None]:
    return {"share": round(declined.share, 4) if declined.n else None, "n": declined.n}


def _declined_share(outcomes: Sequence[AnswerOutcome]) -> float | None:
    return round(share([not one.answered for one in outcomes]), 4) if outcomes else None


def _answers(outcomes: Sequence[AnswerOutcome]) -> dict[str, float | int | None]:
    """In the order of `ANSWER_COLUMNS`. A share of nothing is None, not zero."""
    expected = [one.right for one in outcomes if one.right is not None]
    cited = [hit for one in outcomes for hit in one.citations]
    return {
        "answer_accuracy": round(share(expected), 4) if expected else None,
        "n_with_answer": len(expected),
        "citation_precision": round(share(cited), 4) if cited else None,
        "n_citations": len(cited),
        "declined": _declined_share(outcomes),
        "n": len(outcomes),
    }


def _percentiles(durations_ms: Sequence[float]) -> dict[str, float]:
    return {f"p{percent}": round(percentile(durations_ms, percent), 1) for percent in (50, 95)}


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
