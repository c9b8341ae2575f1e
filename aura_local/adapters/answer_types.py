"""Which kind of answer a question asks for, and whether a sentence holds one. Pure. Layer 3.

Of sentences that are about equally similar to a question, the one that holds a number answers "how many".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

AnswerType: TypeAlias = Literal["time", "number", "person", "place"]

_NUMBER_WORDS: Final = (
    r"two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fifteen|twenty|thirty|forty|fifty|"
    r"sixty|seventy|eighty|ninety|hundred|thousand|million|half|dozen|free|zwei|drei|vier|fünf|sechs|sieben|"
    r"acht|neun|zehn|elf|zwölf|deux|trois|quatre|cinq|sept|huit|neuf|dix|dos|tres|cuatro|cinco|seis|siete|"
    r"ocho|nueve|diez|once|doce|kostenlos|gratuit|gratuite|gratis"
)
_QUESTIONS: Final[Mapping[AnswerType, re.Pattern[str]]] = {
    "time": re.compile(
        r"\b(?:when|what time|which day|what day|how long|how late|how early|wann|wie lange|um wie viel uhr|"
        r"quand|à quelle heure|combien de temps|cuándo|a qué hora|cuánto tiempo)\b"
    ),
    "number": re.compile(
        r"\b(?:how (?:much|many|far|old|big|large|tall|high|deep|heavy)|what (?:percentage|price|number)|"
        r"cost|"
        r"wie ?viele?|wie (?:weit|alt|groß|hoch)|kostet|combien|cuánt[oa]s?)\b"
    ),
    "person": re.compile(r"\b(?:who|whom|whose|wer|wem|wen|qui|quién|quiénes)\b"),
    "place": re.compile(r"\b(?:where|which (?:floor|room|building)|wo|où|dónde)\b"),
}
_ANSWERS: Final[Mapping[AnswerType, re.Pattern[str]]] = {
    "time": re.compile(
        rf"\d|\b(?:{_NUMBER_WORDS}|one|noon|midnight|morning|afternoon|evening|daily|always|never|"
        r"\w+day|january|february|march|april|june|july|august|september|october|november|december|"
        r"week|month|year|uhr|morgen|montag|heures?|lundi|horas?|lunes)s?\b",
        re.IGNORECASE,
    ),
    "number": re.compile(rf"\d|\b(?:{_NUMBER_WORDS}|one|no charge|percent)\b", re.IGNORECASE),
    "person": re.compile(r"(?<![.!?] )(?<!^)\b[A-ZÄÖÜÉ]\w+|^[A-ZÄÖÜÉ]\w+ [A-ZÄÖÜÉ]\w+"),
    "place": re.compile(
        r"\b(?:in|on|at|behind|beside|next to|opposite|near|under|above|between|left|right|im|am|hinter|"
        r"neben|"
        r"gegenüber|dans|sur|derrière|près|en|detrás|junto|floor|room|street|road)\b",
        re.IGNORECASE,
    ),
}


def asked_for(question: str) -> AnswerType | None:
    """The kind of answer, by the words of the question; None for a yes-no question and all others."""
    lower = question.lower()
    return next((kind for kind, pattern in _QUESTIONS.items() if pattern.search(lower)), None)


def holds(sentence: str, kind: AnswerType) -> bool:
    """Whether a sentence may hold an answer of this kind."""
    return _ANSWERS[kind].search(sentence) is not None
