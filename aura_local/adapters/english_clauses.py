"""Whether an English clause has what it needs: its verb, its object, its noun. Layer 3.

The word rule of `open_words` cannot tell "can i buy" from "what can i buy". The rules here go by classes
of words (inversion, transitive verbs, particles, noun phrases), never by single sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aura_local.adapters.english_words import (
    ADJECTIVES,
    ANSWERS,
    BE,
    CONTRACTED,
    DETERMINERS,
    DITRANSITIVE,
    DO_OR_MODAL,
    DOUBTFUL_ENDINGS,
    GREETINGS,
    INFLECTED_ENDINGS,
    MEASURE_VERBS,
    MUST_HAVE_PARTICLE,
    NUMBERS,
    PARTICLE_ADVERBS,
    PARTICLE_VERBS,
    PARTICLES,
    PHRASES,
    PRICE_VERBS,
    PRONOUNS,
    STRANDED,
    SUBJECTS,
    TRANSITIVE,
    UNLIKELY_ENDINGS,
    VERBS,
    WH,
)

UNFINISHED: Final = 0.0
UNLIKELY: Final = 0.25
DOUBTFUL: Final = 0.5
FINISHED: Final = 1.0


def english_completeness(words: Sequence[str]) -> float:
    """How finished a clause of lower-case words is, given that its last word is not an open word.

    0.0 certainly goes on, 0.5 in doubt, 1.0 looks finished.
    """
    if words[0] in ANSWERS and len(words) == 3 and words[1] in SUBJECTS and words[2] in BE | DO_OR_MODAL:
        return FINISHED  # "yes it is", "no i don't"
    clause = _after_greeting(_uncontracted(words))
    return min((rule(clause) for rule in RULES), default=FINISHED) if clause else FINISHED


def _uncontracted(words: Sequence[str]) -> list[str]:
    """ "what's" as "what is"; the 's of a noun may be its genitive and stays."""
    whole: list[str] = []
    for word in words:
        stem, _, suffix = word.partition("'")
        verb = CONTRACTED.get(suffix) if suffix != "s" or stem in WH | PRONOUNS else None
        whole += [stem, verb] if verb else [word]
    return whole


def _after_greeting(words: Sequence[str]) -> list[str]:
    """The clause itself: "good morning where is" is judged as "where is"."""
    start = 0
    while start < len(words) and (words[start] in GREETINGS or tuple(words[start : start + 2]) in PHRASES):
        start += 1 if words[start] in GREETINGS else 2
    return list(words[start:])


def _open_ending(words: Sequence[str]) -> float:
    """Words that only now and then come last: "half", "any", a stranded "to"; "is not", "has no"."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in STRANDED:
        asked = words[0] in ("what", "who", "which") or (words[0] == "where" and last == "from")
        return FINISHED if asked and (before in PRONOUNS or _is_verb(before)) else UNFINISHED
    if last in DOUBTFUL_ENDINGS:
        return DOUBTFUL
    unlikely = (
        last in UNLIKELY_ENDINGS,
        last == "like" and not _object_asked(words),
        last == "not" and before in BE | DO_OR_MODAL,
        last == "no" and before in BE | TRANSITIVE,
        last in ("this", "these", "those") and before in ADJECTIVES | {"you", "it"},
    )
    return UNLIKELY if any(unlikely) else FINISHED


def _inverted_subject(words: Sequence[str]) -> float:
    """ "can you", "what does it", "is it", "is there": an auxiliary and its subject, nothing else."""
    if len(words) < 2 or words[-1] not in PRONOUNS:
        return FINISHED
    before, whole = words[-2], words[:-2]
    if any(word in SUBJECTS for word in whole):
        return FINISHED
    if before in DO_OR_MODAL or (before in BE and (not whole or words[-1] == "there")):
        return UNFINISHED
    return FINISHED


def _bare_phrase(words: Sequence[str]) -> float:
    """A wh-phrase ("what time", "how many tickets") or noun phrase ("the last entry") without a verb."""
    if _has_verb(words):
        return FINISHED
    if words[0] in WH and len(words) <= 3:
        return UNFINISHED if len(words) > 1 else DOUBTFUL
    return DOUBTFUL if words[0] in DETERMINERS - {"no"} else FINISHED


def _particle(words: Sequence[str]) -> float:
    """ "turn the volume up" ends; "turn on", "open on", "switch the television" go on."""
    last = words[-1]
    verb = next((index for index in reversed(range(len(words) - 1)) if words[index] in PARTICLE_VERBS), None)
    if last not in PARTICLES:
        turned = verb is not None and words[verb] in MUST_HAVE_PARTICLE and words[verb + 1] in DETERMINERS
        return DOUBTFUL if turned and not any(word in PARTICLES | {"to"} for word in words) else FINISHED
    if verb is None or last not in PARTICLE_VERBS[words[verb]]:
        return FINISHED if last in PARTICLE_ADVERBS else UNLIKELY
    adjacent = verb == len(words) - 2
    return (
        DOUBTFUL
        if adjacent and words[verb] in TRANSITIVE - {"get"} and not _object_asked(words)
        else FINISHED
    )


def _auxiliary(words: Sequence[str]) -> float:
    """ "where the toilet is" ends, "where is" and "how much does" do not."""
    if words[-1] not in BE | DO_OR_MODAL:
        return FINISHED
    question = next((index for index in reversed(range(len(words) - 1)) if words[index] in WH), None)
    if question is not None:
        between = words[question + 1 : -1]
        if any(word in DETERMINERS | SUBJECTS for word in between):
            return FINISHED
    return UNFINISHED


def _object_missing(words: Sequence[str]) -> float:
    """ "can i buy", "please send me": a transitive verb whose object has not come yet."""
    if len(words) < 2 or _object_asked(words):
        return FINISHED
    last, before = words[-1], words[-2]
    if last in TRANSITIVE and before not in DETERMINERS | ADJECTIVES:  # "a return", "this offer": nouns
        return UNLIKELY
    return UNLIKELY if last in ("me", "us") and before in DITRANSITIVE else FINISHED


def _noun_missing(words: Sequence[str]) -> float:
    """ "a large", "between seven", "there are forty", "students pay ninety": a noun or number is to come."""
    last = words[-1]
    if last in ADJECTIVES - {"right", "left"}:
        opener = _before_run(words, ADJECTIVES | NUMBERS)
        if opener in DETERMINERS - {"this", "that"} or opener in (
            "there",
            "have",
            "sell",
            "need",
            "want",
            "offer",
        ):
            return UNLIKELY
    if last in NUMBERS:
        opener = _before_run(words, NUMBERS)
        if opener == "between":
            return UNFINISHED
        if opener in DETERMINERS:
            return UNLIKELY
        if opener in PRICE_VERBS or opener == "from" or (opener in BE and "there" in words):
            return DOUBTFUL
    return FINISHED


def _predicate_missing(words: Sequence[str]) -> float:
    """ "does the museum", "how much does a child ticket", "is the museum": a question without its verb."""
    start = next((index for index, word in enumerate(words) if word in BE | DO_OR_MODAL), None)
    if (
        start is None
        or (start > 0 and words[0] not in WH)
        or any(word in DETERMINERS for word in words[1:start])
    ):
        return FINISHED
    rest = words[start + 1 :]
    if not rest or rest[0] == "there":
        return FINISHED
    determined = rest[0] in DETERMINERS
    if words[start] in DO_OR_MODAL:
        return (
            FINISHED
            if any(_is_verb(word) for word in _after_subject(rest)) or (start and rest[0] in VERBS)
            else UNLIKELY
        )
    # "where is the toilet" is whole; "is the toilet", "are dogs" still lack what is asked about them.
    bare = len(rest) == 1 and rest[0] not in PRONOUNS
    return UNLIKELY if start == 0 and (bare or (determined and len(rest) == 2)) else FINISHED


def _after_subject(words: Sequence[str]) -> Sequence[str]:
    """What follows the subject that `words` begin with: a pronoun, a bare noun, or a noun phrase."""
    end = 0
    if words[0] in DETERMINERS:
        end = 1
        while end < len(words) - 1 and words[end] in ADJECTIVES | NUMBERS:
            end += 1
    return words[end + 1 :]


def _object_asked(words: Sequence[str]) -> bool:
    """Whether the object itself is what is asked for: "what can i buy", "how much does it cost"."""
    for index, word in enumerate(words[:-2]):
        following = words[index + 1]
        if word == "how" and following in ("long", "far") and words[-1] in MEASURE_VERBS:
            return True
        asked = word in ("what", "which", "who", "whom", "whose") and following not in ("time", "day")
        if asked or (word == "how" and following in ("much", "many")):
            # Without an auxiliary the question word is the subject: "who sold".
            return any(later in BE | DO_OR_MODAL for later in words[index + 1 : -1])
    return False


def _before_run(words: Sequence[str], kind: frozenset[str]) -> str:
    """The word in front of the run of `kind` that ends the words; empty at the start."""
    index = len(words) - 1
    while index >= 0 and words[index] in kind:
        index -= 1
    return words[index] if index >= 0 else ""


def _is_verb(word: str) -> bool:
    return word in VERBS or (len(word) > 4 and word.endswith(INFLECTED_ENDINGS))


def _has_verb(words: Sequence[str]) -> bool:
    """Any word that is, or looks like, a verb in one of its forms."""
    for place, word in enumerate(words):
        if word in ADJECTIVES and place and words[place - 1] in DETERMINERS:
            continue  # "the last entry": "last" is no verb here
        stem = word.removesuffix("s") if len(word) > 3 else word
        if word in BE | DO_OR_MODAL or "'" in word or _is_verb(word) or stem in VERBS:
            return True
    return False


RULES: Final = (
    _open_ending,
    _inverted_subject,
    _bare_phrase,
    _particle,
    _auxiliary,
    _object_missing,
    _noun_missing,
    _predicate_missing,
)
"""Each says how finished its own aspect leaves the clause; the least finished one counts."""
