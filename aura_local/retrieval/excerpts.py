"""Makes what is handed out of ranked passages: each fact once, neighbours in one piece. Layer 2.

Pure. A near-duplicate costs the listener's time and says nothing; two neighbours that rank one after the
other are one text, and read better as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from aura_local.retrieval.candidates import StoredPassage
from aura_local.retrieval.ranking import RankedPassage

SAME_WORDS_SHARE: Final = 0.9
"""Of the words of two passages together, what both hold: then they say the same, unless numbers differ."""
JOINED_TOKENS: Final = 70
"""Larger than that, neighbours stay apart: whoever has room for one of them may not have it for both."""
_GAP_CHARACTERS: Final = 3
"""Between two passages with nothing but white space or the border of a table's cell between them."""
_WORD: Final = re.compile(r"\w+")


@dataclass(slots=True)
class Excerpt:
    """One or more neighbouring passages of a document, in the order of the text."""

    best: RankedPassage
    """The one that ranks highest."""
    parts: list[StoredPassage]
    words: list[frozenset[str]] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """About; exactly for a single passage."""
        return sum(part.tokens for part in self.parts)

    @property
    def text(self) -> str:
        """Of the same length as the stretch of the document; where parts meet, a line ends."""
        text = self.parts[0].text
        for before, part in zip(self.parts, self.parts[1:], strict=False):
            text += "\n".ljust(part.start_character - before.end_character) + part.text
        return text


def excerpts(ranked: Iterable[RankedPassage], limit: int, budget_tokens: int | None = None) -> list[Excerpt]:
    """At most `limit`, best first; the first always, and what would exceed `budget_tokens` ends the list."""
    found: list[Excerpt] = []
    for one in ranked:
        words = frozenset(_WORD.findall(one.passage.text.lower()))
        if any(_says_the_same(words, known) for excerpt in found for known in excerpt.words):
            continue
        joins = bool(found) and _adjoins(found[-1], one.passage)
        over = budget_tokens is not None and sum(e.tokens for e in found) + one.passage.tokens > budget_tokens
        if (found and over) or (len(found) == limit and not joins):
            break
        if joins:
            found[-1].parts = sorted([*found[-1].parts, one.passage], key=lambda part: part.ordinal)
            found[-1].words.append(words)
        else:
            found.append(Excerpt(one, [one.passage], [words]))
    return found


def _says_the_same(words: frozenset[str], known: frozenset[str]) -> bool:
    differing = words ^ known
    return len(differing) <= (1.0 - SAME_WORDS_SHARE) * len(words | known) and not any(
        any(character.isdigit() for character in word) for word in differing
    )


def _adjoins(excerpt: Excerpt, passage: StoredPassage) -> bool:
    """Whether a passage is the next or the previous one, below the same heading and on the same page."""
    first, last = excerpt.parts[0], excerpt.parts[-1]
    if (passage.document_id, passage.heading, passage.page) != (first.document_id, first.heading, first.page):
        return False
    if excerpt.tokens + passage.tokens > JOINED_TOKENS:
        return False
    return _meet(last, passage) or _meet(passage, first)


def _meet(before: StoredPassage, after: StoredPassage) -> bool:
    gap = after.start_character - before.end_character
    return after.ordinal == before.ordinal + 1 and 0 < gap <= _GAP_CHARACTERS
