"""The documents of a torture run: many kinds and sizes, made from a seed, every sentence known by a mark.

A mark is one word that occurs in one sentence of one edition of one document. From the marks in the
passages follows which edition they were made from, that none is missing, and that none is doubled. Layer 4.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.benchmark.made_documents import MAKERS

KINDS: Final = (".txt", ".md", ".html", ".csv", ".json", ".eml", ".pdf", ".docx")
DAMAGED_KINDS: Final = (".pdf", ".docx")
"""Kinds of which half a file cannot be read."""
DAMAGED_SHARE: Final = 0.3
"""Of the documents of these kinds."""
CHANGED_SHARE: Final = 0.25
"""Of the documents, those that get a second edition."""
DELETED_SHARE: Final = 0.15
REPEATED_SHARE: Final = 0.1
"""Uploaded twice, the same bytes."""
SENTENCES: Final = (3, 12)
LARGE_SHARE: Final = 0.05
LARGE_SENTENCES: Final = 150
_MARK: Final = re.compile(r"note\d+e\d+i\d+\b")
_WORDS: Final = (
    "amber basin cedar delta ember flint grove harbour island juniper kettle lantern meadow".split()
)


@dataclass(frozen=True, slots=True)
class Edition:
    """The bytes of a document at one time."""

    content: bytes
    marks: frozenset[str]
    """Of all its sentences; empty where it cannot be read."""

    @property
    def sound(self) -> bool:
        return bool(self.marks)


@dataclass(frozen=True, slots=True)
class PlannedDocument:
    """What happens to one document in a run."""

    name: str
    editions: tuple[Edition, ...]
    """Uploaded in this order."""
    repeated: bool
    deleted: bool
    """In the end."""


def plan_documents(count: int, chance: random.Random, kinds: Sequence[str] = KINDS) -> list[PlannedDocument]:
    """`count` documents; the same chance plans the same ones to the byte."""
    return [_plan(number, kinds[number % len(kinds)], chance) for number in range(count)]


def marks_in(text: str) -> list[str]:
    """The marks in a text, each as often as it occurs."""
    return _MARK.findall(text)


def _plan(number: int, kind: str, chance: random.Random) -> PlannedDocument:
    damaged = kind in DAMAGED_KINDS and chance.random() < DAMAGED_SHARE
    editions = [_edition(number, 1, kind, chance, damaged=damaged)]
    if chance.random() < CHANGED_SHARE:
        editions.append(_edition(number, 2, kind, chance, damaged=False))
    return PlannedDocument(
        name=f"note-{number}{kind}",
        editions=tuple(editions),
        repeated=chance.random() < REPEATED_SHARE,
        deleted=chance.random() < DELETED_SHARE,
    )


def _edition(number: int, edition: int, kind: str, chance: random.Random, *, damaged: bool) -> Edition:
    sentences = LARGE_SENTENCES if chance.random() < LARGE_SHARE else chance.randint(*SENTENCES)
    marks = [f"note{number}e{edition}i{item}" for item in range(sentences)]
    lines = [f"The {' '.join(chance.choices(_WORDS, k=8))} is kept under {mark}." for mark in marks]
    content = MAKERS[kind](lines)
    if damaged:
        return Edition(content[: len(content) // 2], frozenset())
    return Edition(content, frozenset(marks))
