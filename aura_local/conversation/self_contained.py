"""Makes a question say itself what it is about: "how much does it cost" after one on the guided tour. Pure.

By rules. A language model may do it better, but not one that runs in the time a visitor waits: the
smallest one (135 million parameters) changes questions that need no change and answers instead of
rewriting. The result is what is searched for; what is shown and remembered stays as it was asked.
Layer 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from aura_local.conversation.follow_up_words import FOLLOW_UP_WORDS, FollowUpWords
from aura_local.conversation.noun_phrases import NounPhrase, noun_phrases, person_named, tokens
from aura_local.conversation.prompt import Exchange

EXCHANGES: Final = 4
"""Earlier exchanges that a pronoun may go back to."""
FRAGMENT_WORDS: Final = 5
"""A question without a verb that is longer than this says what it is about."""

_SPACES: Final = re.compile(r"\s+")
_BE: Final = frozenset("is are was were has have been".split())
_MOTION: Final = frozenset("get go come drive walk".split())


def self_contained(question: str, history: Sequence[Exchange], language: str = "en") -> str:
    """`question` with what it leaves to the conversation put in; unchanged if it leaves nothing.

    `history` oldest first. Questions in a language without a table come out unchanged.
    """
    words = FOLLOW_UP_WORDS.get(language)
    if words is None or not history:
        return question
    recent = history[-EXCHANGES:]
    previous = self_contained(recent[-1].question, recent[:-1], language)
    if (fragment := _fragment(question, words)) is not None:
        return _completed(fragment, previous, recent[-1], words) or question
    return _without_pronouns(question, previous, recent[-1], words)


def _fragment(question: str, words: FollowUpWords) -> list[str] | None:
    """The words of a question without a verb, connectives and "what about" left out; None for a whole one."""
    said = tokens(question)
    opened = False
    while said:
        opening = next((one for one in words.openings if tuple(said[: len(one)]) == one), ())
        if not opening and said[0] not in words.connectives:
            break
        opened = opened or bool(opening) or said[0] in ("and", "or", "und", "oder", "et", "ou", "y", "o")
        said = said[max(len(opening), 1) :]
    if not said or len(said) > FRAGMENT_WORDS or any(word in words.verbs for word in said):
        return None
    leaning = opened or said[0] in words.prepositions or said[0] in words.fillers
    return said if leaning and not _pronouns(said, words) else None


def _completed(fragment: list[str], previous: str, exchange: Exchange, words: FollowUpWords) -> str:
    """The question before with the fragment in it; empty when there is nothing to complete it with."""
    subject = _subject(previous, exchange, words, plural=False)
    text = " ".join(fragment)
    if all(word in words.fillers | words.prepositions for word in fragment):
        return f"{text} {subject.text}" if subject else ""
    plain = previous.rstrip(" ?!.")
    if fragment[0] in words.fillers and fragment[0] not in words.determiners:
        return f"{text} {subject.head}" if subject else ""
    if subject is None or any(word in words.times for word in fragment):
        return f"{plain} {text}"
    if fragment[0] in words.prepositions:
        return f"{plain.replace(subject.text, subject.head)} {text}"
    if fragment[0] not in words.determiners and subject.head not in fragment and subject.determined:
        text = f"{text} {subject.head}"
    return plain.lower().replace(subject.text, text) if subject.text in plain.lower() else f"{plain} {text}"


def _without_pronouns(question: str, previous: str, exchange: Exchange, words: FollowUpWords) -> str:
    said = tokens(question)
    result = question
    for place in _pronouns(said, words):
        word = said[place]
        subject = _subject(previous, exchange, words, plural=word in words.several)
        name = person_named(exchange.heard_answer, words.times) if word in words.people else ""
        if not name and subject is None:
            continue
        instead = name or (subject.text if subject else "")
        if subject and word in words.stand_ins:
            instead = subject.head
        pattern = rf"\b{re.escape(word)}\b"
        if word in words.pointers and said[place + 1 : place + 2] and said[place + 1] in words.stand_ins:
            pattern += rf"\s+{re.escape(said[place + 1])}\b"
        if word in words.places:
            instead = f"{_preposition(said[place - 1] if place else '', words.places[word])} {instead}"
        if found := re.search(pattern, result, re.IGNORECASE):
            result = result[: found.start()] + instead + result[found.end() :]
    return _SPACES.sub(" ", result)


def _preposition(before: str, usual: str) -> str:
    return "to" if before in _MOTION else usual


def _subject(previous: str, exchange: Exchange, words: FollowUpWords, *, plural: bool) -> NounPhrase | None:
    """What the question before was about, or else what its answer begins with."""
    found = noun_phrases(previous, words) or noun_phrases(exchange.heard_answer, words)[:1]
    fitting = [phrase for phrase in found if phrase.plural == plural]
    return next(iter(fitting or found), None)


def _pronouns(said: Sequence[str], words: FollowUpWords) -> list[int]:
    """Places of the words that stand for something outside the question."""
    found = []
    for place, word in enumerate(said):
        before = said[place - 1] if place else ""
        after = said[place + 1] if place + 1 < len(said) else ""
        if word in words.things | words.several and (after in words.empty_subject or before == "far"):
            continue
        if word in words.things | words.several | words.people:
            if before in words.prepositions or not _named_before(said[:place], words):
                found.append(place)
        elif word in words.places:
            exists = before in _BE or after in _BE
            if not exists or before in _MOTION:
                found.append(place)
        elif word in words.pointers:
            if not after or after in words.verbs | words.prepositions | words.stand_ins | words.fillers:
                found.append(place)
        elif word in words.stand_ins and before in ("the", "which", "other", "another"):
            found.append(place)
    return found


def _named_before(said: Sequence[str], words: FollowUpWords) -> bool:
    """Whether something with an article stands before the pronoun: "i lost my bag, where is it"."""
    return any(phrase.determined for phrase in noun_phrases(" ".join(said), words))
