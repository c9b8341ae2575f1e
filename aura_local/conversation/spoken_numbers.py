"""How single written forms are worded: prices, dates, times, measures, telephone numbers. Pure. Layer 2.

Every function takes the groups of a match of `spoken_form` and returns what is said, or None where the
text turns out to be something else and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aura_local.conversation.spoken_words import SpokenWords, number_words

Groups = Mapping[str, str]
"""Text by the name of its group; empty for one that took no part."""

LONGEST_NUMBER: Final = 12
"""Digits; a longer number is a code and is read digit by digit."""
_THOUSANDS: Final = re.compile(r"(?<=\d)[,.' \u202f](?=\d{3}(?!\d))")
_ORDINAL_LANGUAGES: Final = frozenset({"en", "de"})


def plain(text: str, language: str) -> str:
    """A number as its language writes it: 1,200 or 1.200; 1,5 or 1.5; 007."""
    if re.fullmatch(r"\d{1,3}(?:[,.' \u202f]\d{3})+(?:[.,]\d{1,2})?", text) and not _decimal_of_three(
        text, language
    ):
        text = _THOUSANDS.sub("", text)
    number = text.replace(",", ".")
    whole = number.partition(".")[0]
    if len(whole) > LONGEST_NUMBER or (len(whole) > 1 and whole.startswith("0")):
        return digits(text, language)
    return number_words(number, language)


def _decimal_of_three(text: str, language: str) -> bool:
    """ "1.250" is a decimal where the comma groups, and the other way round."""
    point = "." if language == "en" else ","
    return re.fullmatch(rf"\d{{1,3}}\{point}\d{{3}}", text) is not None


def digits(text: str, language: str) -> str:
    return " ".join(number_words(digit, language) for digit in text if digit.isdigit())


def year(text: str, language: str) -> str:
    return number_words(text, language, "year")


def number(groups: Groups, words: SpokenWords, language: str) -> str | None:
    return plain(groups["number"], language)


def year_named(groups: Groups, words: SpokenWords, language: str) -> str | None:
    return year(groups["year"], language)


def decade(groups: Groups, words: SpokenWords, language: str) -> str | None:
    """ "1990s" as "nineteen nineties"."""
    said = year(groups["decade"], language)
    return f"{said[:-1]}ies" if said.endswith("y") else f"{said}s"


def ordinal(groups: Groups, words: SpokenWords, language: str) -> str | None:
    return number_words(groups["ordinal"], language, "ordinal")


def numbered(groups: Groups, words: SpokenWords, language: str) -> str | None:
    return f"{words.number_sign} {plain(groups['number'], language)}"


def fraction(groups: Groups, words: SpokenWords, language: str) -> str | None:
    """Halves, thirds and quarters; anything else over something is left to the voice."""
    top, bottom = int(groups["top"]), int(groups["bottom"])
    name = words.fractions.get(bottom)
    if name is None or not 0 < top < bottom:
        return None
    said = f"{number_words(str(top), language)} {name[0] if top == 1 else name[1]}"
    return words.one_half if (top, bottom) == (1, 2) else said


def price(groups: Groups, words: SpokenWords, language: str) -> str | None:
    sign = (groups["before"] or groups["after"]).strip()
    if sign not in words.money:
        return None
    amount = groups["amount"] or groups["amount_first"]
    one, several, part = words.money[sign]
    if groups["scale"]:
        return f"{plain(amount, language)} {groups['scale']} {several}"
    whole, hundredths = (re.match(r"(.+?)(?:[.,](\d\d))?$", amount) or ("", amount, "")).group(1, 2)  # type: ignore[union-attr]
    parts = []
    if whole != "0" or not hundredths:
        parts.append(f"{plain(whole, language)} {one if whole == '1' else several}")
    if hundredths and hundredths != "00":
        spoken = number_words(str(int(hundredths)), language)
        parts.append(spoken if parts else f"{spoken} {part}")
    return " ".join(parts)


def date(groups: Groups, words: SpokenWords, language: str) -> str | None:
    named = groups["month"].rstrip(".").lower()
    months = [month.lower() for month in words.months]
    if named.isdigit():
        place = int(named) - 1
    else:
        known = [
            month for month in months if month == named or (len(named) >= 3 and month[: len(named)] == named)
        ]
        place = months.index(known[0]) if known else -1
    day = int(groups["day"])
    if (
        language in _ORDINAL_LANGUAGES
        and not groups["month"][0].isdigit()
        and not groups["month"][0].isupper()
    ):
        return None  # "the 12 may be reserved"
    if not 0 <= place < len(months) or not 1 <= day <= 31:
        return None
    first = day == 1 and language == "fr"
    kind = "ordinal" if language in _ORDINAL_LANGUAGES or first else "cardinal"
    spoken = words.date.format(day=number_words(str(day), language, kind), month=words.months[place])
    return f"{spoken} {year(groups['year'], language)}" if groups["year"] else spoken


def month_and_year(groups: Groups, words: SpokenWords, language: str) -> str | None:
    if groups["month"] not in words.months:
        return None
    return f"{groups['month']} {year(groups['year'], language)}"


def times(groups: Groups, words: SpokenWords, language: str) -> str | None:
    begin = _clock(groups["begin"], groups["half"], words, language)
    if not groups["end"]:
        return begin
    return f"{begin} {words.to} {_clock(groups['end'], groups['end_half'], words, language)}"


def _clock(text: str, half: str, words: SpokenWords, language: str) -> str:
    hour, _, minutes = re.sub("[.h]", ":", text).partition(":")
    if language == "en" and int(hour) > 12 and not half:
        hour, half = str(int(hour) - 12), "a" if hour == "24" else "p"
    said = number_words(str(int(hour)), language)
    if minutes and int(minutes):
        zero = f"{words.zero_minutes} " if minutes.startswith("0") and words.zero_minutes else ""
        between = f"{words.between_time} " if words.between_time else ""
        said = f"{said} {between}{zero}{number_words(str(int(minutes)), language)}"
    elif not half and minutes:
        said = f"{said} {words.full_hour}"
    return f"{said} {half.strip()[0].lower()} m" if half else said


def measure(groups: Groups, words: SpokenWords, language: str) -> str | None:
    if groups["unit"] not in words.units:
        return None
    one, several = words.units[groups["unit"]]
    return f"{plain(groups['quantity'], language)} {one if groups['quantity'] == '1' else several}"


def weekdays(groups: Groups, words: SpokenWords, language: str) -> str | None:
    first, last = words.weekdays.get(groups["first"]), words.weekdays.get(groups["last"])
    return f"{first} {words.to} {last}" if first and last else None


def telephone(groups: Groups, words: SpokenWords, language: str) -> str | None:
    written = groups["telephone"]
    spelt = ", ".join(digits(group, language) for group in re.findall(r"\d+", written))
    return f"{words.plus} {spelt}" if written.startswith("+") else spelt


def span(groups: Groups, words: SpokenWords, language: str) -> str | None:
    """ "9-5", "2019-2024"."""
    low, high = groups["low"], groups["high"]
    say = year if len(low) == len(high) == 4 else plain
    return f"{say(low, language)} {words.to} {say(high, language)}"
