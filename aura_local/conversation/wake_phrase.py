"""Whether what was said begins with the phrase that speaks to AURA, and what follows it. Pure. Layer 2."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from typing import Final

from aura_local.errors import ConfigurationError

ALIKE: Final = 0.82
"""Share of letters in common (difflib's ratio) from which words count as the phrase.

One letter in ten, or one word of two that still looks alike: of "hello aura", "hello ora" (0.82) and "yellow
aura" (0.84) are the phrase, "hello all" and a bare "hello" (0.71 both) are not. The shorter a phrase, the
fewer letters of it may be misheard: of four letters none may be another one.
"""
WORD: Final = re.compile(r"\w+(?:['’]\w+)*")
BETWEEN: Final = " \t\n,.;:!?…-–—"
"""What may stand between the phrase and the question."""


@dataclass(frozen=True, slots=True)
class WakePhrase:
    """With what AURA is spoken to, and for how long nobody has to say it again.

    Raises `ConfigurationError` for a phrase without a word, and for negative times.
    """

    phrase: str
    listen_ms: int = 6_000
    """After the phrase alone: time in which the question may begin."""
    follow_up_ms: int = 8_000
    """After the end of a reply: time in which the next question may begin without the phrase; nor does a
    question that interrupts the reply need it then. 0: every question needs the phrase."""

    def __post_init__(self) -> None:
        if not WORD.search(self.phrase):
            raise ConfigurationError("A wake phrase needs at least one word, e.g. `hello aura`.")
        if self.listen_ms < 0 or self.follow_up_ms < 0:
            raise ConfigurationError("The times of a wake phrase cannot be negative.")


def words_after(text: str, phrase: str) -> str | None:
    """What is said after the phrase, "" where it stands alone; None where the text does not begin with it.

    Case, accents, punctuation and the spaces between words do not matter; letters may differ as `ALIKE` says.
    """
    wanted = [_letters(word) for word in WORD.findall(phrase)]
    if not wanted:
        return None
    # A recogniser writes two words as one and one as two ("hello or a"): one word more or less is tried.
    said = list(islice(WORD.finditer(text), len(wanted) + 1))
    endings = range(max(1, len(wanted) - 1), len(said) + 1)
    likeness = {
        count: _likeness("".join(_letters(word[0]) for word in said[:count]), "".join(wanted))
        for count in endings
    }
    best = max(likeness, key=lambda count: (likeness[count], -abs(count - len(wanted))), default=0)
    if not best or likeness[best] < ALIKE:
        return None
    rest = text[said[best - 1].end() :].strip().lstrip(BETWEEN)
    return rest if WORD.search(rest) else ""


def _likeness(said: str, wanted: str) -> float:
    return SequenceMatcher(None, said, wanted, autojunk=False).ratio()


def _letters(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in decomposed if letter.isalnum())
