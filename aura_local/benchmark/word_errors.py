"""Word error rate: edits between what was said and what was heard, per word said."""

from __future__ import annotations

from collections.abc import Iterable

from aura_local.benchmark.questions import normalise


def word_errors(said: str, heard: str) -> int:
    """Least number of words inserted, dropped and replaced (Levenshtein over words)."""
    reference, hypothesis = normalise(said).split(), normalise(heard).split()
    row = list(range(len(hypothesis) + 1))
    for index, word in enumerate(reference, start=1):
        diagonal, row[0] = row[0], index
        for place, other in enumerate(hypothesis, start=1):
            diagonal, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, diagonal + (word != other)),
            )
    return row[-1]


def word_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Over pairs of (said, heard), pooled; 0.0 for none."""
    listed = list(pairs)
    words = sum(len(normalise(said).split()) for said, _ in listed)
    return sum(word_errors(said, heard) for said, heard in listed) / words if words else 0.0
