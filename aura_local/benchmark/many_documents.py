"""Documents for a large tenant, from words as common and as rare as in a language. Layer 4."""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Final

WORDS: Final = 5_000
_SYLLABLES: Final = (
    "ba ce di fo gu ha ke li mo nu pa re si to vu wa ze bri cla dro fle gra pla sti tre".split()
)


class ManyDocuments:
    """Made from a seed; the n-th document is always the same."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self._words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(WORDS)]
        # Zipf's law: the n-th most common word occurs a n-th as often as the first.
        self._weights = list(accumulate(1 / place for place in range(1, WORDS + 1)))

    def document(self, number: int, sentences: int) -> bytes:
        """Markdown with a heading over every twenty sentences, in paragraphs of four."""
        chance = self._chance(number)
        parts = [f"# Record {number}"]
        for first in range(0, sentences, 4):
            if first and first % 20 == 0:
                parts.append(f"## Part {first // 20} of record {number}")
            parts.append(" ".join(self._sentence(chance) for _ in range(min(4, sentences - first))))
        return ("\n\n".join(parts) + "\n").encode()

    def question(self, number: int) -> str:
        """About things that the first sentence of a document names."""
        first = self._sentence(self._chance(number)).split()
        return f"Where is the {' '.join(first[1:5])} kept?"

    def _chance(self, number: int) -> random.Random:
        return random.Random(f"{self._seed}/{number}")  # noqa: S311

    def _sentence(self, chance: random.Random) -> str:
        words = chance.choices(self._words, cum_weights=self._weights, k=chance.randint(8, 16))
        return f"The {' '.join(words)} is kept here."
