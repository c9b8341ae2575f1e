"""Text as a voice should say it: numbers, prices, dates, times and units in words; nothing unspeakable. Pure.

Applied on the way to text-to-speech alone: what is shown and remembered stays. Addresses are not spelt out,
marks of citation and of markdown are left out, and what no rule knows comes through unchanged. Layer 2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from aura_local.conversation import spoken_numbers as say
from aura_local.conversation.spoken_words import SPOKEN_WORDS, SpokenWords

_Rule: TypeAlias = Callable[[say.Groups, SpokenWords, str], str | None]


@dataclass(frozen=True, slots=True)
class SpokenPart:
    """A piece of text with the words that are said for it; mostly the same."""

    shown: str
    spoken: str


def spoken_form(text: str, language: str) -> str:
    """What a voice should say for `text`; empty where nothing of it can be said.

    In a language without a table only what is unspeakable is left out.
    """
    return "".join(part.spoken for part in spoken_parts(text, language)).strip()


def spoken_parts(text: str, language: str) -> list[SpokenPart]:
    """The same in pieces; joined, their `shown` is `text`."""
    if not _WRITTEN.search(text):
        return [SpokenPart(text, text)] if text else []
    known = language in SPOKEN_WORDS
    words = SPOKEN_WORDS[language if known else "en"]
    taken: list[tuple[int, int, str]] = []
    for pattern, rule in _NOISE + (_FORMS if known else ()):
        for match in pattern.finditer(text):
            if any(match.start() < end and begin < match.end() for begin, end, _ in taken):
                continue
            groups = {name: found or "" for name, found in match.groupdict().items()}
            said = rule(groups, words if known else _unknown(words), language)
            if said is not None:
                taken.append((match.start(), match.end(), said))
    return _parts(text, sorted(taken))


def spoken_lengths(parts: Sequence[SpokenPart]) -> list[int]:
    """Letters that are said for each word of the shown text, in its order."""
    lengths, inside, said = [], False, 0.0
    for part in parts:
        each = len(part.spoken) / len(part.shown)
        for letter in part.shown:
            if not letter.isspace():
                inside, said = True, said + each
            elif inside:
                lengths.append(round(said))
                inside, said = False, 0.0
    return [*lengths, round(said)] if inside else lengths


def _parts(text: str, taken: Sequence[tuple[int, int, str]]) -> list[SpokenPart]:
    parts: list[SpokenPart] = []
    place = 0
    for begin, end, said in taken:
        if begin > place:
            parts.append(SpokenPart(text[place:begin], text[place:begin]))
        parts.append(SpokenPart(text[begin:end], said))
        place = end
    if place < len(text):
        parts.append(SpokenPart(text[place:], text[place:]))
    return parts


def _nothing(groups: say.Groups, words: SpokenWords, language: str) -> str | None:
    return ""


def _comma(groups: say.Groups, words: SpokenWords, language: str) -> str | None:
    return ", "


def _link(groups: say.Groups, words: SpokenWords, language: str) -> str | None:
    return words.link


def _mail(groups: say.Groups, words: SpokenWords, language: str) -> str | None:
    return words.mail


def _text_of_link(groups: say.Groups, words: SpokenWords, language: str) -> str | None:
    return spoken_form(groups["text"], language)


def _and_or(groups: say.Groups, words: SpokenWords, language: str) -> str | None:
    return words.and_or


def _unknown(words: SpokenWords) -> SpokenWords:
    """For languages without a table: addresses are left out, not named in English."""
    return replace(words, link="", mail="", and_or="/")


_WRITTEN: Final = re.compile(r"[\d/\\|@<>*_`#~\[\]°%£$€¥【]|www\.|\b[A-Z][a-z]{0,3}[-–][A-Z]")
_NUMBER: Final = r"(?:\d{1,3}(?:[,.'\u202f]\d{3})+(?![\d])(?:[.,]\d{1,2}(?!\d))?|\d+(?:[.,]\d+)?)"
_CLOCK: Final = r"(?:[01]?\d|2[0-4])[:.][0-5]\d"
_HALF_DAY: Final = r"\s?[apAP](?:\.\s?[mM]\b\.?|[mM]\b)"
_DASH: Final = r"\s?[-–—]\s?"
_SIGN: Final = r"[£$€¥]|\b(?:GBP|USD|EUR|CHF)\b"
_YEAR: Final = r"(?:1[1-9]|20)\d\d"
_END: Final = r"(?![\w°%]|[.,:]\d)"
_START: Final = r"(?<![\w.,:/+-])"
_AFTER_WORD: Final = (
    "(?:"
    + "|".join(
        rf"(?<=\b[{word[0].upper()}{word[0]}]{word[1:]}\s)"
        for word in (
            "in since from until till by before after around between year of seit bis en depuis desde".split()
        )
    )
    + r"|(?<=\d{4}\sto\s)|(?<=\d{4}\sand\s))"
)
"""What stands before a number that is a year."""


def _rule(pattern: str, rule: _Rule) -> tuple[re.Pattern[str], _Rule]:
    return re.compile(pattern), rule


_NOISE: Final = (
    _rule(r"!?\[(?P<text>[^\]\n]*)\]\([^)\s]*\)", _text_of_link),
    _rule(r"\s?\[\^?\d+(?:\s?[,–-]\s?\d+)*\]|\s?【[^】]*】", _nothing),
    _rule(r"<\|[^|>\n]*\|>|</?[A-Za-z!][^>\n]*>", _nothing),
    _rule(r"(?:\b[A-Za-z][a-z+.-]*://|\bwww\.)(?:[^\s<>|]*[\w/])?|\b(?:javascript|data):\S+", _link),
    _rule(r"\b(?:mailto:)?[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _mail),
    _rule(r"(?m)^\s*\|[\s|:-]*\n?|\s*\|\s*$", _nothing),
    _rule(r"\s*\|\s*", _comma),
    _rule(r"[*`~]+|#+(?!\d)\s?|(?<!\w)_+|_+(?!\w)|(?m:^\s*>\s)", _nothing),
    _rule(r"\b(?:and/or|und/oder|et/ou|y/o)\b", _and_or),
)
"""In every language; the first rule that takes a piece of text has it."""
_FORMS: Final = (
    _rule(
        rf"(?:(?P<before>{_SIGN})\s?(?P<amount>{_NUMBER})|{_START}(?P<amount_first>{_NUMBER})\s?"
        rf"(?P<after>{_SIGN}))(?:\s(?P<scale>million|billion|Millionen|Milliarden|millions|millones))?(?!\d)",
        say.price,
    ),
    _rule(
        r"(?<![\w+])(?P<telephone>\+\d[\d\s()/.-]{6,}\d|0\d{2,}[\s/.-]\d[\d\s/.-]{4,}\d)(?!\w)", say.telephone
    ),
    _rule(rf"{_START}(?P<year>\d{{4}})-(?P<month>0[1-9]|1[0-2])-(?P<day>[0-3]\d){_END}", say.date),
    _rule(
        rf"(?:\b[Tt]he\s)?{_START}(?P<day>[0-3]?\d)(?:st|nd|rd|th|\.)?\s(?:of\s|de\s)?(?P<month>[^\W\d]{{3,10}}\b\.?)"
        rf"(?:,?\s(?:de\s)?(?P<year>{_YEAR}))?{_END}",
        say.date,
    ),
    _rule(
        rf"\b(?P<month>[A-Z][a-z]{{2,8}}\b\.?)\s(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
        rf"(?:,?\s(?P<year>{_YEAR}))?{_END}",
        say.date,
    ),
    _rule(rf"\b(?P<month>[^\W\d]{{3,10}})\s(?P<year>{_YEAR}){_END}", say.month_and_year),
    _rule(
        rf"{_START}(?P<begin>{_CLOCK}|1?\d(?={_DASH}(?:{_CLOCK}|1?\d){_HALF_DAY})|1?\d(?={_HALF_DAY}))"
        rf"(?P<half>{_HALF_DAY})?(?:{_DASH}(?P<end>{_CLOCK}|1?\d(?={_HALF_DAY}))(?P<end_half>{_HALF_DAY})?)?"
        r"(?:\sUhr\b)?(?![\w°%€]|[.,:]\d|\s?(?:km|kg|cm|mm|m|g|l)\b)",
        say.times,
    ),
    _rule(
        rf"{_START}(?P<quantity>{_NUMBER})\s?(?P<unit>km/h|°C|°F|°|%|kWh|m²|[A-Za-z]{{1,4}}2?)(?![\w/])",
        say.measure,
    ),
    _rule(r"\b(?P<first>[A-Z][a-z]{0,3})[-–](?P<last>[A-Z][a-z]{0,3})\b(?!\s?[\w]*\d)", say.weekdays),
    _rule(r"\b(?P<first>[A-Z][a-z]{0,3})[-–](?P<last>[A-Z][a-z]{0,3})\b(?=\s\d)", say.weekdays),
    _rule(r"(?:\b[Nn]o\.|\bNr\.|№|#|\bn[°º]|\bnúm\.)\s?(?P<number>\d+)\b", say.numbered),
    _rule(rf"{_START}(?P<decade>{_YEAR})['’]?s\b", say.decade),
    _rule(rf"{_START}(?P<ordinal>\d{{1,4}})(?:st|nd|rd|th|er|ère|º|ª)\b", say.ordinal),
    _rule(
        rf"{_START}(?P<low>\d{{1,4}}){_DASH}(?P<high>\d{{1,4}})(?![\w°%-]|[.,:/]\d|\s?[-–]\s?\d)", say.span
    ),
    _rule(rf"{_START}(?P<top>\d)/(?P<bottom>\d)(?![\w/])", say.fraction),
    _rule(rf"(?:(?<=\()|{_AFTER_WORD})(?P<year>{_YEAR})(?=[\s.,;:)?!]|$)(?!\s[a-z]+s\b)", say.year_named),
    _rule(rf"{_START}(?P<year>{_YEAR})(?=[.,;:)?!]?$|[;)?!]|\s[A-Z])", say.year_named),
    _rule(rf"{_START}(?P<number>{_NUMBER})(?![\w/]|[.,:]\d|-[\dA-Z])", say.number),
)
