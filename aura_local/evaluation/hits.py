"""Whether a place in a document is one that answers a question. Layer 4. Pure.

Readers differ in the white space that they make of a page, so it does not count. Passages of different
systems are cut at different places, so a part of the gold text is enough where the part says something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.evaluation.dataset import Gold

SHINGLE_CHARACTERS: Final = 30
SHINGLE_STEP: Final = 15
ENOUGH_PERCENT: Final = 30
"""Share of the gold text's shingles that a passage must hold where neither contains the other."""


@dataclass(frozen=True, slots=True)
class Place:
    """A passage, or what an answer cites."""

    document: str | None
    text: str
    pages: tuple[int, int] | None = None
    """First and last, from 1; None where the document has no pages."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that a search proposes."""

    place: Place
    tokens: int
    """By the embedder's tokenizer, special ones included."""


class GoldPlaces:
    """The places that answer one question, prepared for comparing many others with them."""

    def __init__(self, document: str | None, golds: Sequence[Gold]) -> None:
        self._document = document
        self._golds = tuple(golds)
        self._texts = tuple(without_white_space(gold.text) for gold in golds)
        self._shingles = tuple(shingles(text) for text in self._texts)

    def __len__(self) -> int:
        return len(self._golds)

    def hit_by(self, place: Place) -> frozenset[int]:
        """Which of the gold places it is, by their numbers from 0; none is no hit."""
        text = without_white_space(place.text)
        if place.document != self._document or not text:
            return frozenset()
        return frozenset(n for n in range(len(self._golds)) if self._is_hit(n, place, text))

    def _is_hit(self, number: int, place: Place, text: str) -> bool:
        gold, wanted = self._golds[number], self._texts[number]
        if gold.page is not None:
            return place.pages is not None and place.pages[0] <= gold.page <= place.pages[1]
        if not wanted or wanted in text or text in wanted:
            return True
        parts = self._shingles[number]
        return bool(parts) and sum(part in text for part in parts) * 100 >= ENOUGH_PERCENT * len(parts)


def without_white_space(text: str) -> str:
    return "".join(text.split())


def shingles(text: str) -> tuple[str, ...]:
    """Overlapping stretches of a text, in order; none of one that is shorter than a stretch."""
    last = len(text) - SHINGLE_CHARACTERS
    return tuple(text[start : start + SHINGLE_CHARACTERS] for start in range(0, last + 1, SHINGLE_STEP))
