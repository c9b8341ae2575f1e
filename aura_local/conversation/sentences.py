"""Cuts generated text into what is spoken at once: the first clause early, then whole sentences.

The listener waits only for the first piece, so it is kept short; the later ones are whole sentences,
because a voice speaks a sentence better than its fragments (LATENCY: first clause first).
"""

from __future__ import annotations

import re
from typing import Final

FIRST_CLAUSE_CHARACTERS: Final = 24
"""A clause this long may be spoken on its own; shorter fragments sound clipped."""
FIRST_CLAUSE_WORDS: Final = 3

_SENTENCE_END: Final = re.compile(r"[.!?…]+[\"')\]]*\s")
_CLAUSE_END: Final = re.compile(r"[,;:]\s")
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|no|nos|vs|approx|tel|ext|fig|(?:[a-z]\.)*[a-z])\.$", re.IGNORECASE
)


def sentences_of(text: str) -> list[str]:
    """The sentences of a whole text."""
    splitter = ClauseSplitter(early_clause=False)
    return [sentence for sentence in splitter.push(text) + splitter.finish() if sentence.strip()]


class ClauseSplitter:
    """Takes text piece by piece and gives back what is ready to be spoken."""

    def __init__(self, *, early_clause: bool = True) -> None:
        """Without `early_clause` only whole sentences come out: for text that is checked first."""
        self._rest = ""
        self._first = early_clause

    @property
    def unfinished(self) -> str:
        """Text that no piece has been made of yet."""
        return self._rest

    def push(self, text: str) -> list[str]:
        """Add text; returns the pieces that are complete now, with their spacing kept."""
        self._rest += text
        ready: list[str] = []
        while (end := self._next_end()) is not None:
            ready.append(self._rest[:end])
            self._rest = self._rest[end:]
            self._first = False
        return ready

    def finish(self) -> list[str]:
        """What is left at the end of the text."""
        rest, self._rest = self._rest, ""
        return [rest] if rest.strip() else []

    def _next_end(self) -> int | None:
        for match in _SENTENCE_END.finditer(self._rest):
            if not _ABBREVIATION.search(self._rest[: match.end() - 1]):
                sentence_end = match.end()
                break
        else:
            sentence_end = None
        if not self._first:
            return sentence_end
        for match in _CLAUSE_END.finditer(self._rest[:sentence_end]):
            clause = self._rest[: match.end()].strip()
            if len(clause) >= FIRST_CLAUSE_CHARACTERS and len(clause.split()) >= FIRST_CLAUSE_WORDS:
                return match.end()
        return sentence_end
