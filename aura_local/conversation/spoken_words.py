"""How numbers, money, units and dates are worded, by language. Layer 2.

Numbers come from num2words, which knows some fifty languages; the words around them are tables here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

Money = tuple[str, str, str]
"""One, several, and the hundredth part."""


@dataclass(frozen=True, slots=True)
class SpokenWords:
    """The words of one language."""

    and_or: str
    number_sign: str
    link: str
    mail: str
    plus: str
    to: str
    full_hour: str
    """Said behind a full hour, where no half of the day follows."""
    zero_minutes: str
    """Said before minutes below ten; empty to say the minutes alone."""
    between_time: str
    """Said between hour and minutes."""
    date: str
    """`{day}`, `{month}` in the order they are said."""
    months: tuple[str, ...]
    weekdays: Mapping[str, str]
    money: Mapping[str, Money]
    units: Mapping[str, tuple[str, str]]
    """One, several."""
    one_half: str
    fractions: Mapping[int, tuple[str, str]]
    """One, several, by what it is divided by."""


def _units(text: str) -> dict[str, tuple[str, str]]:
    rows = (line.split("=") for line in text.split(";"))
    return {sign.strip(): (one.strip(), many.strip()) for sign, one, many in rows}


_UNITS_EN: Final = _units(
    "%=percent=percent;°C=degree Celsius=degrees Celsius;°F=degree Fahrenheit=degrees Fahrenheit;"
    "°=degree=degrees;km/h=kilometre per hour=kilometres per hour;mph=mile per hour=miles per hour;"
    "km=kilometre=kilometres;cm=centimetre=centimetres;mm=millimetre=millimetres;m=metre=metres;"
    "m²=square metre=square metres;m2=square metre=square metres;kg=kilogram=kilograms;g=gram=grams;"
    "mg=milligram=milligrams;ml=millilitre=millilitres;l=litre=litres;h=hour=hours;hrs=hour=hours;"
    "min=minute=minutes;mins=minute=minutes;ft=foot=feet;lb=pound=pounds;lbs=pound=pounds;kW=kilowatt=kilowatts;"
    "kWh=kilowatt hour=kilowatt hours;V=volt=volts;W=watt=watts;GB=gigabyte=gigabytes;MB=megabyte=megabytes"
)
_UNITS_DE: Final = _units(
    "%=Prozent=Prozent;°C=Grad Celsius=Grad Celsius;°=Grad=Grad;"
    "km/h=Kilometer pro Stunde=Kilometer pro Stunde;"
    "km=Kilometer=Kilometer;cm=Zentimeter=Zentimeter;mm=Millimeter=Millimeter;m=Meter=Meter;"
    "m²=Quadratmeter=Quadratmeter;kg=Kilogramm=Kilogramm;g=Gramm=Gramm;ml=Milliliter=Milliliter;l=Liter=Liter;"
    "h=Stunde=Stunden;min=Minute=Minuten"
)
_UNITS_FR: Final = _units(
    "%=pour cent=pour cent;°C=degré Celsius=degrés Celsius;°=degré=degrés;"
    "km/h=kilomètre heure=kilomètres heure;km=kilomètre=kilomètres;cm=centimètre=centimètres;"
    "mm=millimètre=millimètres;m=mètre=mètres;m²=mètre carré=mètres carrés;kg=kilogramme=kilogrammes;"
    "g=gramme=grammes;l=litre=litres;h=heure=heures;min=minute=minutes"
)
_UNITS_ES: Final = _units(
    "%=por ciento=por ciento;°C=grado centígrado=grados centígrados;°=grado=grados;"
    "km/h=kilómetro por hora=kilómetros por hora;km=kilómetro=kilómetros;cm=centímetro=centímetros;"
    "mm=milímetro=milímetros;m=metro=metros;m²=metro cuadrado=metros cuadrados;kg=kilogramo=kilogramos;"
    "g=gramo=gramos;l=litro=litros;h=hora=horas;min=minuto=minutos"
)
_WEEKDAYS_EN: Final = {
    **dict.fromkeys(("M", "Mon"), "Monday"),
    **dict.fromkeys(("Tu", "Tue", "Tues"), "Tuesday"),
    **dict.fromkeys(("W", "Wed"), "Wednesday"),
    **dict.fromkeys(("Th", "Thu", "Thur", "Thurs"), "Thursday"),
    **dict.fromkeys(("F", "Fri"), "Friday"),
    **dict.fromkeys(("Sa", "Sat"), "Saturday"),
    **dict.fromkeys(("Su", "Sun"), "Sunday"),
}
SPOKEN_WORDS: Final[Mapping[str, SpokenWords]] = {
    "en": SpokenWords(
        and_or="and or",
        number_sign="number",
        link="the link",
        mail="the e-mail address",
        plus="plus",
        to="to",
        full_hour="o'clock",
        zero_minutes="oh",
        between_time="",
        date="the {day} of {month}",
        months=tuple(
            "January February March April May June July August September October November December".split()
        ),
        weekdays=_WEEKDAYS_EN,
        money={
            "£": ("pound", "pounds", "pence"),
            "$": ("dollar", "dollars", "cents"),
            "€": ("euro", "euros", "cents"),
            "GBP": ("pound", "pounds", "pence"),
            "USD": ("dollar", "dollars", "cents"),
            "EUR": ("euro", "euros", "cents"),
            "CHF": ("franc", "francs", "centimes"),
            "¥": ("yen", "yen", "sen"),
        },
        units=_UNITS_EN,
        one_half="one half",
        fractions={
            2: ("half", "halves"),
            3: ("third", "thirds"),
            4: ("quarter", "quarters"),
            5: ("fifth", "fifths"),
            8: ("eighth", "eighths"),
        },
    ),
    "de": SpokenWords(
        and_or="und oder",
        number_sign="Nummer",
        link="der Link",
        mail="die E-Mail-Adresse",
        plus="plus",
        to="bis",
        full_hour="Uhr",
        zero_minutes="",
        between_time="Uhr",
        date="{day}n {month}",
        months=tuple(
            "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
        ),
        weekdays=dict(
            zip(
                "Mo Di Mi Do Fr Sa So".split(),
                "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag".split(),
                strict=True,
            )
        ),
        money={
            "€": ("Euro", "Euro", "Cent"),
            "EUR": ("Euro", "Euro", "Cent"),
            "$": ("Dollar", "Dollar", "Cent"),
            "£": ("Pfund", "Pfund", "Pence"),
            "CHF": ("Franken", "Franken", "Rappen"),
        },
        units=_UNITS_DE,
        one_half="ein halb",
        fractions={3: ("Drittel", "Drittel"), 4: ("Viertel", "Viertel"), 5: ("Fünftel", "Fünftel")},
    ),
    "fr": SpokenWords(
        and_or="et ou",
        number_sign="numéro",
        link="le lien",
        mail="l'adresse e-mail",
        plus="plus",
        to="à",
        full_hour="heures",
        zero_minutes="",
        between_time="heures",
        date="{day} {month}",
        months=tuple(
            "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()
        ),
        weekdays={},
        money={
            "€": ("euro", "euros", "centimes"),
            "EUR": ("euro", "euros", "centimes"),
            "$": ("dollar", "dollars", "cents"),
            "£": ("livre", "livres", "pence"),
        },
        units=_UNITS_FR,
        one_half="un demi",
        fractions={3: ("tiers", "tiers"), 4: ("quart", "quarts"), 5: ("cinquième", "cinquièmes")},
    ),
    "es": SpokenWords(
        and_or="y o",
        number_sign="número",
        link="el enlace",
        mail="la dirección de correo",
        plus="más",
        to="a",
        full_hour="en punto",
        zero_minutes="",
        between_time="y",
        date="{day} de {month}",
        months=tuple(
            """enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre
            diciembre""".split()
        ),
        weekdays={},
        money={
            "€": ("euro", "euros", "céntimos"),
            "EUR": ("euro", "euros", "céntimos"),
            "$": ("dólar", "dólares", "centavos"),
            "£": ("libra", "libras", "peniques"),
        },
        units=_UNITS_ES,
        one_half="un medio",
        fractions={3: ("tercio", "tercios"), 4: ("cuarto", "cuartos"), 5: ("quinto", "quintos")},
    ),
}


@lru_cache(maxsize=1_024)
def number_words(
    number: str, language: str, kind: Literal["cardinal", "ordinal", "year"] = "cardinal"
) -> str:
    """A number, written as Python writes it, in words without hyphens and commas: voices know the words."""
    # Loaded with the first number that is spoken.
    from num2words import num2words

    value = float(number) if "." in number else int(number)
    words = str(num2words(value, lang=language, to=kind))
    return words.replace("-", " ").replace(",", "") if language == "en" else words
