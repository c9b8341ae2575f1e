"""What the documents say on a question, and whether a drafted sentence is supported by it.

Very small language models make things up. The check is deliberately conservative: a draft passes only
when its content words occur in one sentence of the passages, in the same order, and it neither adds nor
drops a negation, a number or a day of the week. What it refuses is replaced by a quotation, so a false
refusal costs style and a false acceptance would cost truth.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.conversation.events import Citation
from aura_local.ports import GroundingSentence


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved passage with the place it comes from."""

    citation: Citation
    """Its `quote` is empty until a sentence of the answer rests on the passage."""
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Grounding:
    """The result of a retrieval, as the answer needs it."""

    passages: tuple[Passage, ...]
    """In the order of their rank; a `GroundingSentence.citation` is an index into them."""
    sentences: tuple[GroundingSentence, ...]
    """Most similar to the question first."""
    answerable: bool
    """Whether the documents hold anything on the question."""

    @property
    def clear(self) -> bool:
        """Whether a sentence of the documents is plainly about the words, be they a question or not."""
        return self.answerable and bool(self.sentences) and self.sentences[0].similarity >= CLEAR_SIMILARITY


CLEAR_SIMILARITY: Final = 0.5
"""Cosine similarity (MiniLM) of a sentence that is plainly about what was said."""

SIMILARITY_MARGIN: Final = 0.04
"""Cosine similarity by which a source may be worse than the best sentence."""

COPIED_WORDS: Final = 3
"""Words of a draft that must match the beginning of a source for it to count as copied."""

NOTHING_FOUND: Final = Grounding((), (), answerable=False)

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_NEGATIONS: Final = frozenset(
    "no not never none nothing nobody neither nor cannot without closed except".split()
)
_FUNCTION_WORDS: Final = frozenset(
    """a an the this that these those there here it its they them their he she his her we our us you your i
    my me is are was were be been being am do does did have has had will would can could may might shall
    should must and or but so if then than as at by for from in into of off on onto out over to under up
    with about what which who whom whose when where why how please yes also just very some any""".split()
)
_NUMBERS: Final = frozenset(
    """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred
    thousand""".split()
)
_DAYS: Final = frozenset("monday tuesday wednesday thursday friday saturday sunday".split())


def near_best(sentences: Sequence[GroundingSentence]) -> tuple[GroundingSentence, ...]:
    """The sentences about as similar to the question as the best one; `sentences` most similar first."""
    if not sentences:
        return ()
    least = sentences[0].similarity - SIMILARITY_MARGIN
    return tuple(sentence for sentence in sentences if sentence.similarity >= least)


def quoted_from(quotation: str, grounding: Sequence[GroundingSentence]) -> GroundingSentence | None:
    """The sentence that a quotation, perhaps a shortened one, is taken from; None for other words."""
    said = words_of(quotation)
    for sentence in grounding if said else ():
        if quotation.strip() in sentence.text:
            return sentence
    whole = (sentence for sentence in grounding if said and _is_subsequence(said, words_of(sentence.text)))
    return next(whole, None)


class SupportCheck:
    """Checks the sentences drafted for one question.

    A draft has to keep what the best sentence shares with the question (asked about the museum shop, an
    answer about the museum is none), and numbers as the documents spell them.

    Only passage sentences on that subject and within `SIMILARITY_MARGIN` of the best one count: a draft
    that repeats some other fact of the passages is true, but does not answer the question.
    """

    def __init__(self, question: str, sentences: Sequence[GroundingSentence]) -> None:
        """`sentences` most similar first."""
        self._asked = frozenset(content_words(question))
        self._subject = (
            self._asked & frozenset(content_words(sentences[0].text)) if sentences else frozenset()
        )
        contents = [(source, content_words(source.text)) for source in near_best(sentences)]
        self._sources = [(source, words) for source, words in contents if self._subject.issubset(words)]

    def find(self, draft: str) -> GroundingSentence | None:
        """The sentence that a draft rests on, or None."""
        words = content_words(draft)
        if len(words_of(draft)) < COPIED_WORDS:
            return (
                None  # a single word of a passage is no answer, but may be what a passage demands to be said
            )
        for sentence, source in self._sources:
            if (
                set(words) & set(source) - self._asked
                and self._subject.issubset(words)
                and self._agrees(words, source)
                and exact_words(words) == exact_words(source)
                and negated(draft) == negated(sentence.text)
                and _keeps_enough(words, source)
            ):
                return sentence
        return None

    def possible(self, beginning: str) -> bool:
        """Whether a draft that begins like this may still pass; its last word may be unfinished."""
        words = content_words(beginning.rpartition(" ")[0])
        return any(self._agrees(words, source) for _, source in self._sources)

    def copied(self, beginning: str) -> GroundingSentence | None:
        """The sentence that a draft is copying: its first words are the draft's, all of them.

        There is nothing left to write then: the rest of the sentence is known.
        """
        words = words_of(beginning.rpartition(" ")[0])
        if len(words) < COPIED_WORDS:
            return None
        for sentence, _ in self._sources:
            if words_of(sentence.text)[: len(words)] == words:
                return sentence
        return None

    def _agrees(self, words: Sequence[str], source: Sequence[str]) -> bool:
        """In the source's words and their order; what is added is from the question, no number and no day."""
        added = [word for word in words if word not in source]
        if any(_is_exact(word) or word not in self._asked for word in added):
            return False
        return _is_subsequence([word for word in words if word in source], source)


def words_of(text: str) -> list[str]:
    """All words in lower case."""
    return _WORD.findall(text.lower().replace("’", "'"))


def content_words(text: str) -> list[str]:
    """The words that say something, without plural and possessive endings."""
    return [_stem(word) for word in words_of(text) if word not in _FUNCTION_WORDS]


def _stem(word: str) -> str:
    """Plural and possessive endings off: enough to compare a text with its source."""
    word = word.removesuffix("'s")
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def exact_words(words: Sequence[str]) -> list[str]:
    """Numbers and days: left out of "ten for adults, five for children", they change who pays what."""
    return [word for word in words if _is_exact(word)]


def _is_exact(word: str) -> bool:
    return word.isdigit() or word in _NUMBERS or word in _DAYS


def negated(text: str) -> bool:
    """Whether a text says that something is not so."""
    return any(word in _NEGATIONS or word.endswith("n't") for word in words_of(text))


def _keeps_enough(words: Sequence[str], source: Sequence[str]) -> bool:
    """Whether a draft that adds words of the question keeps half of its source's.

    Else a single word of a source could be made the answer to anything: "the watchword is ...".
    """
    shared = set(words) & set(source)
    return shared.issuperset(words) or 2 * len(shared) >= len(set(source))


def _is_subsequence(words: Sequence[str], source: Sequence[str]) -> bool:
    rest = iter(source)
    return all(word in rest for word in words)
