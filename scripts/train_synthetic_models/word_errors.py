"""Word error rate."""

from __future__ import annotations


def word_error_rate(references: list[str], hypotheses: list[str]) -> float:
    """Substitutions, insertions and deletions per reference word, over all pairs together."""
    errors = words = 0
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        wanted, heard = reference.split(), hypothesis.split()
        distances = list(range(len(heard) + 1))
        for i, word in enumerate(wanted, 1):
            diagonal, distances[0] = distances[0], i
            for j, other in enumerate(heard, 1):
                best = min(distances[j] + 1, distances[j - 1] + 1, diagonal + (word != other))
                diagonal, distances[j] = distances[j], best
        errors += distances[-1]
        words += len(wanted)
    return errors / max(1, words)
