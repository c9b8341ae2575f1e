"""Figures of rankings, calculated by hand."""

from __future__ import annotations

import math

import pytest

from aura_local.evaluation.metrics import (
    Ranked,
    discounted_gain,
    figures,
    found_within,
    percentile,
    reciprocal_rank,
)

NONE: frozenset[int] = frozenset()
FIRST = frozenset({0})
BOTH = frozenset({0, 1})


def ranked(*passages: tuple[int, frozenset[int]], golds: int = 1) -> Ranked:
    return Ranked(tuple(tokens for tokens, _ in passages), tuple(hits for _, hits in passages), golds)


@pytest.mark.parametrize(("tokens", "expected"), [(50, True), (51, False)])
def test_a_budget_is_kept_to_the_token(tokens: int, expected: bool) -> None:
    assert found_within(ranked((100, NONE), (tokens, FIRST)), 150) is expected


def test_the_first_passage_always_counts() -> None:
    assert found_within(ranked((900, FIRST)), 150)
    assert not found_within(ranked((900, NONE), (1, FIRST)), 150)


def test_what_exceeds_the_budget_ends_the_list() -> None:
    """Although what comes behind it would fit."""
    assert not found_within(ranked((100, NONE), (60, NONE), (10, FIRST)), 150)
    assert found_within(ranked((100, NONE), (10, FIRST), (60, NONE)), 150)


def test_nothing_found() -> None:
    empty = ranked()
    assert not found_within(empty, 150)
    assert reciprocal_rank(empty) == discounted_gain(empty, 10) == 0.0


def test_reciprocal_rank() -> None:
    assert reciprocal_rank(ranked((1, FIRST), (1, FIRST))) == 1.0
    assert reciprocal_rank(ranked((1, NONE), (1, NONE), (1, FIRST))) == pytest.approx(1 / 3)


def test_gain_of_one_place() -> None:
    assert discounted_gain(ranked((1, FIRST)), 10) == 1.0
    assert discounted_gain(ranked((1, NONE), (1, FIRST)), 10) == pytest.approx(1 / math.log2(3))
    behind = [(1, NONE)] * 9
    assert discounted_gain(ranked(*behind, (1, FIRST)), 10) > 0.0
    assert discounted_gain(ranked(*behind, (1, NONE), (1, FIRST)), 10) == 0.0


def test_a_place_gains_once() -> None:
    best = 1 + 1 / math.log2(3)
    repeated = ranked((1, FIRST), (1, FIRST), (1, frozenset({1})), golds=2)
    assert discounted_gain(repeated, 10) == pytest.approx((1 + 1 / 2) / best)
    assert discounted_gain(ranked((1, FIRST), (1, BOTH), golds=2), 10) == 1.0
    assert discounted_gain(ranked((1, BOTH), golds=2), 10) == 1.0


def test_figures_are_means_over_questions() -> None:
    measured = figures(
        [
            ranked((140, FIRST)),
            ranked((140, NONE), (140, FIRST)),
            ranked(*[(140, NONE)] * 5, (140, FIRST)),
            ranked((140, NONE)),
        ]
    )
    assert (measured.recall_150, measured.recall_300, measured.recall_800) == (0.25, 0.5, 0.5)
    assert (measured.recall_at_1, measured.recall_at_5, measured.recall_at_10) == (0.25, 0.5, 0.75)
    assert measured.mrr == pytest.approx((1 + 1 / 2 + 1 / 6) / 4)
    assert measured.n == 4
    assert figures([]).as_json() == dict.fromkeys(measured.as_json(), 0)


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(20, 0, -1)]
    assert (percentile(values, 50), percentile(values, 95), percentile([], 95)) == (10.0, 19.0, 0.0)
    assert percentile([3.0], 50) == percentile([3.0], 95) == 3.0
