"""The words of a question that carry its meaning, and a full-text query for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_ENGLISH: Final = (
    "a about all am an and any are as at be been but by can could did do does for from get give go good"
    " had has have hello hi how i if in into is it its let like may me morning my no not of on or our"
    " out please shall she should so some tell than thank thanks that the their them then there these"
    " they this those to too us was we were what when where which who whom whose why will with would yes"
    " you your"
)
_STOP_WORDS: Final = frozenset(_ENGLISH.split())
_TERM_LIMIT: Final = 24


def content_words(text: str) -> list[str]:
    """The words of `text` that are no stop words, in lower case, each once, at most 24."""
    words = re.findall(r"\w+", text.lower())
    return list(dict.fromkeys(word for word in words if word not in _STOP_WORDS))[:_TERM_LIMIT]


def full_text_query(words: Sequence[str]) -> str:
    """An FTS5 query for any of the words, each quoted; empty when there are none.

    Quoting leaves nothing of FTS5's own syntax (AND, NEAR, *, column filters) to the one who asks.
    """
    return " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
