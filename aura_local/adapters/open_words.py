"""Words that tell whether a sentence goes on, by language. Data only. Layer 3.

An open word cannot end what a person says: an article, a conjunction, a preposition. Whoever stops there
is thinking of the next word. Lower case, without punctuation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class OpenWords:
    """The closed word classes of one language, as far as they say something about the end of a turn."""

    never_last: frozenset[str]
    """Articles, possessives, conjunctions, prepositions, subject pronouns, fillers."""
    rarely_last: frozenset[str]
    """Words of these kinds that end a sentence now and then (stranded prepositions, auxiliaries)."""
    complete_alone: frozenset[str]
    """Whole turns of one or two words: answers, greetings, thanks, commands."""
    polite_endings: frozenset[str]
    """Words that close whatever stands before them: please, thanks."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> frozenset[str]:
    return frozenset(phrase.strip() for phrase in text.split(","))


ENGLISH: Final = OpenWords(
    never_last=_words(
        "a an the my your our their its every each another whose and or but nor because although though "
        "unless whereas whether if while since until till than as that's without into "
        "onto between among during within towards toward against per via near behind beside besides under "
        "above below despite except regarding concerning upon i we they he she i'm we're they're you're "
        "he's she's it's i'd we'd they'd you'd i'll we'll they'll you'll i've we've they've you've there's "
        "here's what's where's who's how's when's very quite almost rather thank um uh er erm hmm mm ah eh "
        "plus"
    ),
    rarely_last=frozenset(),  # `english_clauses` judges these in their clause
    complete_alone=_phrases(
        "yes, no, yeah, yep, nope, okay, ok, sure, right, correct, wrong, exactly, maybe, never, always, "
        "hello, hi, hey, goodbye, bye, bye bye, welcome, thanks, thank you, please, sorry, pardon, stop, "
        "help, cancel, repeat, continue, start, pause, wait, again, louder, slower, faster, quiet, back, "
        "next, done, enough, louder please, good morning, good afternoon, good evening, good night, good "
        "day, no thanks, yes please, of course, not now, not yet, not today, never mind, come in, go on, "
        "go ahead, go back, go away, hold on, hang on, shut up, start again, once more, one moment, just a "
        "moment, see you, i know, i see, i understand, i agree, that's it, that's all, that's right, you "
        "too, me too, why, why not, what, who, when, where, how, what else, what now, what for, who else, "
        "how come, so what, where to, how are you"
    ),
    polite_endings=_words("please thanks"),
)

GERMAN: Final = OpenWords(
    never_last=_words(
        "der die das den dem des ein eine einen einem einer eines kein keine keinen keinem keiner keines "
        "mein meine meinen meinem meiner dein deine deinen deinem unser unsere unseren unserem euer eure "
        "seine seinen seinem seiner ihren ihrem ihrer jeder jede jedes jeden jedem dieser diesen diesem "
        "und oder aber denn sondern weil dass ob wenn falls obwohl während bevor nachdem damit sobald als "
        "von für ohne gegen zwischen unter über neben hinter vor bei seit wegen trotz bis per pro zur zum "
        "beim vom im am ins ans ich wir er man ganz ziemlich äh ähm hm halb viertel"
    ),
    rarely_last=_words(
        "zu mit an auf aus nach in um durch sehr sie ihr es du so wie etwas mehr viele alle bin bist ist "
        "sind seid war waren habe hast hat haben hatte kann kannst können könnte könnten will wollen "
        "möchte möchten muss müssen soll sollen darf dürfen würde würden werden wird was wer wo wann warum "
        "welche welcher welches welchen wieviel"
    ),
    complete_alone=_phrases(
        "ja, nein, doch, okay, ok, gut, genau, richtig, falsch, vielleicht, hallo, tschüss, danke, bitte, "
        "entschuldigung, stopp, stop, halt, hilfe, abbrechen, nochmal, noch einmal, weiter, lauter, "
        "leiser, langsamer, guten morgen, guten tag, guten abend, gute nacht, auf wiedersehen, danke "
        "schön, vielen dank, nein danke, ja bitte, ja gerne, gerne, warum, wieso, was, wer, wo, wann, wie "
        "bitte, warum nicht, alles klar, keine ahnung"
    ),
    polite_endings=_words("bitte danke dankeschön"),
)

FRENCH: Final = OpenWords(
    never_last=_words(
        "le la les un une des du de d l au aux mon ma mes ton ta tes son sa ses notre nos votre vos leur "
        "leurs ce cet cette ces chaque quelque quelques plusieurs et ou mais donc or ni car que qu parce "
        "puisque lorsque quand si comme afin à dans sur sous chez vers par pour sans entre pendant depuis "
        "jusque jusqu je j tu il elle on ils elles très trop assez euh heu hum quel quelle quels quelles"
    ),
    rarely_last=_words(
        "en y avec contre plus moins aussi bien tout toute tous suis es est sommes êtes sont était ai as a "
        "avons avez ont peux peut pouvez pouvons veux veut voulez voudrais dois doit faut va vais allez "
        "qui quoi où comment combien pourquoi ne pas nous vous lui"
    ),
    complete_alone=_phrases(
        "oui, non, si, d'accord, okay, ok, bien, exact, peut-être, bonjour, bonsoir, salut, au revoir, "
        "merci, pardon, s'il vous plaît, merci beaucoup, non merci, oui merci, stop, arrête, arrêtez, "
        "aide, au secours, annuler, encore, encore une fois, continue, continuez, plus fort, moins vite, "
        "bonne nuit, bonne journée, pourquoi, comment, quoi, qui, où, quand, combien, pourquoi pas, ça va, "
        "bien sûr, pas encore"
    ),
    polite_endings=_words("merci plaît plait"),
)

SPANISH: Final = OpenWords(
    never_last=_words(
        "el la los las un una unos unas mi mis tu tus su sus nuestro nuestra nuestros nuestras cada este "
        "esta estos estas ese esa esos esas aquel aquella algún ningún y e o u pero sino ni que porque "
        "aunque si como cuando mientras pues de del a al en con sin por para sobre entre desde hasta hacia "
        "según durante ante bajo contra tras yo tú él muy tan eh em cuyo"
    ),
    rarely_last=_words(
        "más menos todo toda todos todas algo otro otra ella ellos ellas nosotros usted ustedes es son "
        "está están soy estoy era fue ha he han hay puedo puede pueden podría quiero quiere quisiera debo "
        "debe tengo tiene voy va me te se lo le nos les no qué quién dónde cuándo cómo cuánto cuánta "
        "cuántos cuántas cuál cuáles"
    ),
    complete_alone=_phrases(
        "sí, si, no, vale, bueno, claro, exacto, correcto, quizás, hola, adiós, gracias, perdón, por "
        "favor, para, alto, ayuda, cancelar, otra vez, repite, repita, sigue, siga, más alto, más "
        "despacio, buenos días, buenas tardes, buenas noches, muchas gracias, no gracias, hasta luego, de "
        "acuerdo, de nada, por qué, qué, quién, dónde, cuándo, cómo, cuánto, por qué no, está bien, "
        "todavía no, un momento"
    ),
    polite_endings=_words("gracias favor"),
)

OPEN_WORDS: Final[Mapping[str, OpenWords]] = MappingProxyType(
    {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}
)
"""By ISO 639-1 code. Other languages go by punctuation, or count as finished."""
