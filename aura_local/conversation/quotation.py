"""Makes a sentence of a document short enough to be said: what a quotation keeps of it. Pure. Layer 2.

Documents hold sentences nobody would say: rows of tables ("Day: Monday | Opens: 9:00"), list items, and
sentences of a hundred words. Only whole cells and whole clauses are left out, and no word is changed; the
citation keeps the sentence as it stands in the document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from aura_local.conversation.grounding import content_words, negated

WORDS_AT_MOST: Final = 40
"""About fifteen seconds of speech."""

_BULLET: Final = re.compile(r"^\s*(?:[-*+•‣▪◦·–]|\(?\d{1,2}[.)](?=\s+[^\W\d]))\s+")
_CELL: Final = re.compile(r"\s*\|\s*")
_CLAUSE: Final = re.compile(r".+?(?:[,;:](?=\s)|\s[–—-](?=\s)|$)", re.DOTALL)
_GAP: Final = re.compile(
    r"(?<=\s)(?=(?:and|or|but|which|who|that|where|when|because|while|so|if)\b)", re.IGNORECASE
)
_UNENDED: Final = " ,;:–—-"


def speakable(sentence: str, question: str) -> str:
    """`sentence`, or the part of it that has most to do with the question: `WORDS_AT_MOST` words at most."""
    text = _BULLET.sub("", sentence).strip()
    asked = frozenset(content_words(question))
    cells = [cell for cell in _CELL.split(text) if cell]
    if len(cells) > 1:
        return _row(cells, asked)
    if len(text.split()) <= WORDS_AT_MOST:
        return text
    return _clauses(text, asked)


def _row(cells: Sequence[str], asked: frozenset[str]) -> str:
    """The first cell, which says what the row is about, and those that the question asks for."""
    wanted = [
        place for place, cell in enumerate(cells) if place == 0 or asked & frozenset(content_words(cell))
    ]
    if len(wanted) == 1:
        wanted = list(range(len(cells)))
    kept: list[str] = []
    for place in wanted:
        if kept and sum(len(cell.split()) for cell in [*kept, cells[place]]) > WORDS_AT_MOST:
            break
        kept.append(" ".join(cells[place].split()[:WORDS_AT_MOST]))
    return ", ".join(cell.rstrip(_UNENDED) for cell in kept)


def _clauses(text: str, asked: frozenset[str]) -> str:
    """The run of whole clauses that shares most words with the question; the earliest of equals.

    A run that leaves out a negation of the clause before it could say the opposite: the beginning then.
    """
    clauses = [part for clause in _CLAUSE.findall(text) for part in _divided(clause)]
    best, most = (0, 1), -1
    for first in range(len(clauses)):
        for end in range(first + 1, len(clauses) + 1):
            run = "".join(clauses[first:end])
            if len(run.split()) > WORDS_AT_MOST:
                break
            shared = len(asked & frozenset(content_words(run)))
            if shared > most or (shared == most and first == best[0]):
                best, most = (first, end), shared
    first, end = best
    if first and negated("".join(clauses[:first])):
        first, end = 0, _longest_beginning(clauses)
    said = " ".join("".join(clauses[first:end]).split()[:WORDS_AT_MOST]).strip(_UNENDED)
    return said if said.endswith((".", "!", "?")) else said + "."


def _longest_beginning(clauses: Sequence[str]) -> int:
    for end in range(len(clauses), 1, -1):
        if len("".join(clauses[:end]).split()) <= WORDS_AT_MOST:
            return end
    return 1


def _divided(clause: str) -> list[str]:
    """A clause that is too long itself, at its conjunctions."""
    return [clause] if len(clause.split()) <= WORDS_AT_MOST else re.split(_GAP, clause)
