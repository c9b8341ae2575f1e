"""Whether a sentence of a capable model is supported by the passages it was given. Pure, lexical. Layer 2.

Less strict than `SupportCheck`: such a model may put things in its own words and join two sentences. What
it says must still be about what one passage says: half of the content words from there or from the
question, every number and day, every name, and a negation only where the passage has one. The check costs
tens of microseconds a sentence; a model that judges the sentence would cost as much as the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.conversation.grounding import Grounding, content_words, exact_words, negated, words_of
from aura_local.conversation.sentences import sentences_of
from aura_local.ports import GroundingSentence

LEAST_SHARE: Final = 0.5
"""Of a sentence's content words, those that a passage or the question must hold."""
FEWEST_SHARED: Final = 1
"""Content words that must come from the passage itself, and not from the question."""

_NAME: Final = re.compile(r"(?<![.!?:\"“] )(?<!^)\b[A-ZÄÖÜÉ][\w’'-]+")
_ANSWER_WORDS: Final = re.compile(
    r"^\s*(?:yes|no|yeah|nope|sorry|unfortunately|certainly|of course)\b[,.!]?\s*", re.I
)
_DECLINES: Final = re.compile(
    r"\b(?:(?:do(?:es)?|did|can)(?: not|n['’]t)|cannot) (?:say|know|tell|mention|state|contain|find|answer)\b"
    r"|\bno (?:information|mention|facts?)\b|\bnot (?:mentioned|stated|given|in the (?:facts|documents))\b",
    re.IGNORECASE,
)
_COURTESIES: Final = frozenset(
    """hello welcome thank thanks sure enjoy visit hope help helps day happy glad please let know question
    questions anything else sorry pleasure great good morning afternoon evening course certainly yes
    no""".split()
)
_DIGITS: Final = {
    word: str(number)
    for number, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
        sixteen seventeen eighteen nineteen twenty""".split()
    )
}


@dataclass(frozen=True, slots=True)
class Support:
    """What a sentence rests on."""

    source: GroundingSentence | None
    """None when the sentence claims nothing about the documents."""


@dataclass(frozen=True, slots=True)
class _Source:
    words: frozenset[str]
    exact: frozenset[str]
    sentences: tuple[tuple[frozenset[str], bool, GroundingSentence], ...]
    """Content words, negated or not, and the sentence as the retrieval knows it."""


class PassageCheck:
    """Checks the sentences that answer one question."""

    def __init__(self, question: str, grounding: Grounding) -> None:
        self._asked = frozenset(content_words(question))
        self._asked_names = frozenset(words_of(question))
        self._sources = [_source(grounding, rank) for rank in range(len(grounding.passages))]

    def find(self, sentence: str) -> Support | None:
        """What a sentence rests on; None when no passage supports it."""
        claim = _ANSWER_WORDS.sub("", sentence)
        words = content_words(claim)
        if not set(words) - _COURTESIES or _DECLINES.search(sentence):
            return Support(None)
        numbers = _numbers(words)
        names = {name.lower().removesuffix("'s") for name in _NAME.findall(claim.replace("’", "'"))}
        own = [_own(words, source) for source in self._sources]
        most = max(map(len, own), default=0)
        fewest = FEWEST_SHARED if set(words) - set(exact_words(words)) else 0  # "At nine."
        for source, shared in zip(self._sources, own, strict=True):
            # What another passage says more of is no matter for this one.
            if len(shared) < max(most, fewest) or not numbers <= source.exact:
                continue
            held = (
                shared
                | (set(words) & self._asked)
                | {word for word in words if _DIGITS.get(word, word) in numbers}
            )
            if len(held) < LEAST_SHARE * len(set(words)) or not self._known(names, source):
                continue
            nearest = _nearest(set(words), negated(claim), source)
            if nearest is not None:
                return Support(nearest)
        return None

    def _known(self, names: set[str], source: _Source) -> bool:
        return all(name in self._asked_names or set(content_words(name)) <= source.words for name in names)


def _own(words: Sequence[str], source: _Source) -> set[str]:
    """The words that come from a passage, numbers aside: nine is nine in any passage."""
    return {word for word in words if word in source.words and not _numbers([word])}


def _nearest(said: set[str], is_negated: bool, source: _Source) -> GroundingSentence | None:
    """The sentence of the passage that says most of it; None when that one says the opposite.

    Numbers and days count twice: they tell more of what a sentence is about than other words.
    """
    shared = [len(said & found) + len(_numbers([*said & found])) for found, _, _ in source.sentences]
    most = max(shared, default=0)
    for count, (_, polarity, sentence) in zip(shared, source.sentences, strict=True):
        if count == most and polarity == is_negated:
            return sentence
    return None


def _source(grounding: Grounding, rank: int) -> _Source:
    text = grounding.passages[rank].text
    sentences = [sentence for sentence in grounding.sentences if sentence.citation == rank]
    held = " ".join(sentence.text for sentence in sentences)
    sentences += [
        GroundingSentence(one.strip(), 0.0, rank) for one in sentences_of(text) if one.strip() not in held
    ]
    words = frozenset(content_words(f"{grounding.passages[rank].citation.heading} {text} {held}"))
    return _Source(
        words,
        frozenset(_numbers(content_words(f"{text} {held}"))),
        tuple((frozenset(content_words(one.text)), negated(one.text), one) for one in sentences),
    )


def _numbers(words: Sequence[str]) -> frozenset[str]:
    """Numbers and days; small numbers count the same as digits and as words."""
    return frozenset(_DIGITS.get(word, word) for word in exact_words(words))
