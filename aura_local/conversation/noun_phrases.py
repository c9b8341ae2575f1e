"""What a short question or answer is about: its noun phrases, found by closed word classes alone. Layer 2."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Final

from aura_local.conversation.follow_up_words import FollowUpWords

_TOKEN: Final = re.compile(r"\w+(?:['’\-]\w+)*")
_NAME: Final = re.compile(r"\b[A-ZÄÖÜÉ]\w+(?: [A-ZÄÖÜÉ]\w+)+")
_LONGEST: Final = 5
"""Words of a phrase; a longer run of content words is no phrase."""


@dataclass(frozen=True, slots=True)
class NounPhrase:
    text: str
    """In lower case, its determiner included."""
    head: str
    """Its last noun, which says what kind of thing it is."""
    determined: bool

    @property
    def plural(self) -> bool:
        """By its ending: enough to tell "it" from "they"."""
        return self.head.endswith("s") and not self.head.endswith("ss")


def tokens(text: str) -> list[str]:
    """Words in lower case."""
    return [token.lower().replace("’", "'") for token in _TOKEN.findall(text)]


def noun_phrases(text: str, words: FollowUpWords) -> list[NounPhrase]:
    """Runs of content words, each with the determiner before it, in the order of the text.

    Two that are joined by "of" or "for" are one: "a ticket for the exhibition"; its head is the first's.
    """
    said = tokens(text)
    function_words = words.verbs | words.fillers | words.prepositions | words.connectives
    found: list[NounPhrase] = []
    place, joined = 0, False
    while place < len(said):
        begin = place
        if said[place] in words.determiners:
            place += 1
        first = place
        while place < len(said) and not _ends(said[place], words, function_words, place - first):
            place += 1
        if place == first:
            joined = (
                said[begin] in words.joining and bool(found) and begin > 0 and joined_to(said, begin, found)
            )
            place = begin + 1
            continue
        phrase = NounPhrase(" ".join(said[begin:place]), said[place - 1], begin < first)
        if joined:
            before = found.pop()
            linked = f"{before.text} {said[begin - 1]} {phrase.text}"
            phrase = NounPhrase(linked, before.head, before.determined)
        found.append(phrase)
        joined = False
    return found


def joined_to(said: list[str], place: int, found: list[NounPhrase]) -> bool:
    """Whether the preposition at `place` follows the last phrase directly."""
    last = found[-1].text.split()
    return said[max(0, place - len(last)) : place] == last


def person_named(text: str, times: Set[str]) -> str:
    """The first name of two or more capitalised words in a text; empty without one."""
    for match in _NAME.finditer(text):
        parts = [part for part in match[0].split() if part.lower() not in times | {"the", "our", "a"}]
        if len(parts) > 1:
            return " ".join(parts)
    return ""


def _ends(word: str, words: FollowUpWords, function_words: Set[str], length: int) -> bool:
    """Whether a phrase of `length` words cannot go on with this one."""
    if length >= _LONGEST or word in words.determiners:
        return True
    # "the first manager", "a free ticket": behind a determiner or noun such words belong to it.
    return word in function_words and not (length == 0 and word in ("first", "large", "next", "free"))
