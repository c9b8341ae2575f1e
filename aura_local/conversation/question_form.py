"""Whether words have the form of a question. Pure; one small list per language.

A question is whole as soon as it reads like one. A statement or a request that the documents do not answer
is more often the beginning of something: "students pay ...", "my number is five three ...".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OPENERS: Final[Mapping[str, frozenset[str]]] = {
    "en": frozenset(
        """what when where who whom whose which why how is are was were am do does did can could may might
        will would shall should has have had must""".split()
    ),
    "de": frozenset(
        """was wann wo wer wen wem wessen welche welcher welches warum wieso weshalb wie wohin woher ist sind
        war waren kann können darf dürfen muss müssen soll sollen will wollen hat haben habt gibt""".split()
    ),
    "fr": frozenset(
        """que quoi quand où qui quel quelle quels quelles pourquoi comment combien est sont était peut peux
        puis pouvez faut avez as a y""".split()
    ),
    "es": frozenset(
        """qué cuándo dónde quién quiénes cuál cuáles cómo cuánto cuánta cuántos cuántas adónde es son está
        están puede puedo pueden hay tiene tienen""".split()
    ),
}
"""Words that a question begins with."""

COURTESIES: Final[Mapping[str, frozenset[str]]] = {
    "en": frozenset(
        """good morning afternoon evening hello hi hey excuse me please thank thanks you okay and so well
        sorry""".split()
    ),
    "de": frozenset("guten morgen tag abend hallo bitte danke entschuldigung und also ja".split()),
    "fr": frozenset("bonjour bonsoir pardon excusez moi merci et alors oui s'il vous plaît".split()),
    "es": frozenset("buenos buenas días tardes noches hola perdone gracias y pues sí por favor".split()),
}
"""Words that may stand before it."""


def asks(text: str, language: str) -> bool:
    """Whether `text` is a question by its mark or by its first word; True for languages without a list."""
    if language not in OPENERS or text.rstrip().endswith("?"):
        return True
    for word in text.lower().replace(",", " ").replace("¿", " ").split():
        if word in OPENERS[language]:
            return True
        if word.strip(".!") not in COURTESIES[language]:
            return False
    return False
