"""Splits a paragraph into sentences without cutting through 9.30 a.m., Dr. Lane or No. 5."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_END: Final = re.compile(r"""(?<![.!?…])[.!?…]++["'”’»)\]]*+(?=\s)""")
"""Possessive, and begun only where a run of marks begins: 200,000 question marks are looked at once each."""
_FOLLOWING: Final = re.compile(r"\s*(\S{0,2})")
_WORD_CHARACTERS: Final = 40
"""How far back the last word is looked for: no abbreviation is longer, and a look at everything before would
make a text without sentences take time by the square of its length."""
_OPENERS: Final = "\"'“‘«([¿¡"
_BEFORE_NAMES: Final = (
    "mr mrs ms dr prof st sr jr rev capt col lt sgt messrs mt fig figs pp vol cf vs e.g i.e approx"
)
_BEFORE_NUMBERS: Final = "no nos nr p tel ext ca c ch"
_ANYWHERE: Final = (
    "a.m p.m etc inc ltd co corp ft jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat"
    " sun b.c a.d u.s u.k min max usw z.b d.h"
)

_NEVER_LAST: Final = frozenset(_BEFORE_NAMES.split())
"""Abbreviations that stand before something: a sentence never ends after them."""
_LAST_UNLESS_NUMBER: Final = frozenset(_BEFORE_NUMBERS.split())
"""Words that are abbreviations where a number follows ("No. 5"), and words where not ("No. You pay.")."""
_LAST_BEFORE_CAPITAL: Final = frozenset(_ANYWHERE.split())
"""Abbreviations after which a sentence ends where a capital letter follows."""


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence in `text`, white space around them left out.

    Together the spans hold every character of the text that is no white space, in order.
    """
    return list(iterate_sentences(text))


def iterate_sentences(text: str) -> Iterator[tuple[int, int]]:
    """As `sentence_spans`, one after the other: a text may have millions."""
    start = 0
    for end in _END.finditer(text):
        if _is_end(text, start, end):
            yield from _trimmed(text, start, end.end())
            start = end.end()
    yield from _trimmed(text, start, len(text))


def _is_end(text: str, start: int, end: re.Match[str]) -> bool:
    following = _FOLLOWING.match(text, end.end())[1].lstrip(_OPENERS)[:1]  # type: ignore[index]
    if not end.group().startswith(".") or end.group().startswith(".."):
        return not following.islower()
    word = text[max(start, end.start() - _WORD_CHARACTERS) : end.start()].split()[-1:] or [""]
    last = word[0].lstrip(_OPENERS).lower()
    if last in _NEVER_LAST or (last in _LAST_UNLESS_NUMBER and following.isdigit()):
        return False
    if last in _LAST_BEFORE_CAPITAL:
        return following.isupper() or not following
    is_initial = len(last) == 1 and word[0].isupper() and last != "i"  # "J. Smith"
    return not is_initial and not following.islower()


def _trimmed(text: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The span without white space around it; none where there is nothing else."""
    piece = text[first:last]
    start, end = first + len(piece) - len(piece.lstrip()), last - len(piece) + len(piece.rstrip())
    if start < end:
        yield start, end
