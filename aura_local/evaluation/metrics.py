"""What rankings of passages are worth, in figures. Layer 4. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

BUDGETS_TOKENS: Final = (150, 300, 800)
"""A small machine needs 4 to 7 ms for a token of a prompt: 150 are what a listener does not notice."""
RANKS: Final = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The passages found for one question, best first."""

    tokens: tuple[int, ...]
    """Length of each passage."""
    hits: tuple[frozenset[int], ...]
    """Which of the question's gold places each of them is."""
    golds: int
    """How many there are."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over questions, each in [0, 1]."""

    recall_150: float
    recall_300: float
    recall_800: float
    """Share of questions with a hit among the first passages of together at most so many tokens."""
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    mrr: float
    """Mean of one over the rank of the first hit."""
    ndcg_10: float
    n: int

    def as_json(self) -> dict[str, float | int]:
        """By name, rounded to four places."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def figures(rankings: Sequence[Ranked]) -> Figures:
    """All zero for no question."""
    within_150, within_300, within_800 = (
        share([found_within(one, tokens) for one in rankings]) for tokens in BUDGETS_TOKENS
    )
    at_1, at_5, at_10 = (share([any(one.hits[:rank]) for one in rankings]) for rank in RANKS)
    return Figures(
        recall_150=within_150,
        recall_300=within_300,
        recall_800=within_800,
        recall_at_1=at_1,
        recall_at_5=at_5,
        recall_at_10=at_10,
        mrr=mean([reciprocal_rank(one) for one in rankings]),
        ndcg_10=mean([discounted_gain(one, 10) for one in rankings]),
        n=len(rankings),
    )


def found_within(ranked: Ranked, budget_tokens: int) -> bool:
    """Whether there is a hit within the budget.

    The first passage always counts; the one that would exceed the budget ends the list, even where a
    shorter one behind it would fit.
    """
    used = 0
    for position, (tokens, hit) in enumerate(zip(ranked.tokens, ranked.hits, strict=True)):
        used += tokens
        if position > 0 and used > budget_tokens:
            return False
        if hit:
            return True
    return False


def reciprocal_rank(ranked: Ranked) -> float:
    """0.0 without a hit."""
    return next((1.0 / rank for rank, hit in enumerate(ranked.hits, start=1) if hit), 0.0)


def discounted_gain(ranked: Ranked, depth: int) -> float:
    """nDCG: each gold place gains once, where it is first hit, the less the later; 1.0 is the best order.

    A passage that repeats a place gains nothing, so that figures do not depend on how small passages are;
    one that holds several places gains all of them, but no more than one for each rank is expected.
    """
    seen: set[int] = set()
    gain = 0.0
    for rank, hit in enumerate(ranked.hits[:depth], start=1):
        gain += len(hit - seen) / math.log2(rank + 1)
        seen |= hit
    best = sum(1.0 / math.log2(rank + 1) for rank in range(1, min(ranked.golds, depth) + 1))
    return min(gain / best, 1.0) if best else 0.0


def share(values: Sequence[bool]) -> float:
    """0.0 of none."""
    return sum(values) / len(values) if values else 0.0


def mean(values: Sequence[float]) -> float:
    """0.0 of none."""
    return sum(values) / len(values) if values else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many per cent do not exceed; 0.0 of none."""
    ordered = sorted(values)
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1] if ordered else 0.0
