"""Words by which a question leans on the one before it. Data only; one table per language. Layer 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class FollowUpWords:
    """Everything in lower case."""

    things: frozenset[str]
    """Pronouns for one thing: they stand for what was asked about."""
    several: frozenset[str]
    """Pronouns for several things."""
    people: frozenset[str]
    """Pronouns for one person: they stand for a name in the answer, if there is one."""
    places: Mapping[str, str]
    """Words for a place, with the preposition that replaces them."""
    pointers: frozenset[str]
    """Pronouns only where no noun follows: "is that free", but not "that train"."""
    stand_ins: frozenset[str]
    """ "that one": stands for the noun alone."""
    empty_subject: frozenset[str]
    """What follows "is it" where "it" means nothing: "is it possible"."""
    connectives: frozenset[str]
    """Words before a follow-up that say nothing themselves."""
    openings: tuple[tuple[str, ...], ...]
    """Beginnings that put something else in the place of what was asked about: "what about"."""
    determiners: frozenset[str]
    prepositions: frozenset[str]
    joining: frozenset[str]
    """Prepositions that tie a second noun to the first: "a ticket for the exhibition"."""
    verbs: frozenset[str]
    """Auxiliaries, and verbs that say nothing about the subject; a question without one is a fragment."""
    fillers: frozenset[str]
    """Question words, pronouns, measures: never what a question is about."""
    times: frozenset[str]
    """Words for a time: they are added to the question before, they replace nothing."""


ENGLISH: Final = FollowUpWords(
    things=_words("it its"),
    several=_words("they them their"),
    people=_words("he she him her his"),
    places={"there": "at"},
    pointers=_words("that this these those"),
    stand_ins=_words("one ones"),
    empty_subject=_words(
        "possible allowed okay ok true raining cold warm necessary forbidden far rain snow from to"
    ),
    connectives=_words(
        "and or but so then also okay ok well please thanks thank you hello hi sorry yes no great good fine"
    ),
    openings=(("what", "about"), ("how", "about"), ("what", "of"), ("same", "for")),
    determiners=_words("a an the my your our this that these those"),
    prepositions=_words(
        "on in at for with without by from to of about after before during until till since under over near "
        "behind next between into through inside outside"
    ),
    joining=_words("of for"),
    verbs=_words(
        """is are was were am be been do does did can could may might will would shall should must have has
        had cost costs open opens opened close closes closed start starts started begin begins end ends take
        takes get gets go come find found buy bought sell sells sold pay see need needs want book bring leave
        left know tell make made makes built paint painted eat drink sit return keep wait last lasts
        run runs include includes allowed given give gives offer call called rent borrow said
        happen happens reach"""
    ),
    fillers=_words(
        """what when where who whom whose which why how i you we us me he she it they them there that this
        much many long far late early old big large high time times o'clock exactly else more less please too
        not any some all every first next late and or if than as still today now really just only even also
        so much free extra very again most day days minutes hours floor number"""
    ),
    times=_words(
        """monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays
        fridays saturdays sundays today tomorrow tonight weekends weekdays weekend holidays christmas easter
        january february march april june july august september october november december morning
        mornings afternoon afternoons evening evenings night summer winter spring autumn"""
    ),
)
GERMAN: Final = FollowUpWords(
    things=_words("es er ihn sein seine"),
    several=_words("sie ihnen ihre"),
    people=_words("ihm"),
    places={"dort": "bei", "da": "bei", "dorthin": "zu", "dahin": "zu"},
    pointers=_words("das dies diese dieser"),
    stand_ins=_words("eins"),
    empty_subject=_words("möglich erlaubt wahr weit kalt warm nötig"),
    connectives=_words("und oder aber also dann auch okay bitte danke ja nein gut"),
    openings=(("was", "ist", "mit"), ("wie", "ist", "es", "mit"), ("wie", "sieht", "es", "mit")),
    determiners=_words("der die das den dem des ein eine einen einem einer mein meine meinen unser unsere"),
    prepositions=_words("am an in im auf für mit ohne bei von zu zum zur nach vor seit bis um unter über"),
    joining=_words("für"),
    verbs=_words(
        """ist sind war waren kann können kannst darf dürfen muss müssen soll will wird werden hat haben habe
        kostet kosten öffnet öffnen schließt schließen beginnt beginnen endet dauert gibt geht finde finden
        kaufen bekomme bezahlen sehen brauche braucht buchen hat macht gemacht"""
    ),
    fillers=_words(
        """was wann wo wer wen wem wie warum wieso welche welcher welches ich du wir uns mir mich man viel
        viele lange weit spät früh uhr noch auch mehr jeden alle hier heute jetzt nur kostenlos"""
    ),
    times=_words(
        """montag dienstag mittwoch donnerstag freitag samstag sonntag montags dienstags mittwochs
        donnerstags freitags samstags sonntags heute morgen abends wochenende feiertagen weihnachten"""
    ),
)
FRENCH: Final = FollowUpWords(
    things=_words("il elle cela ça ce c'est"),
    several=_words("ils elles leur leurs"),
    people=_words("lui"),
    places={"là-bas": "à"},
    pointers=frozenset(),
    stand_ins=_words("celui-là celle-là"),
    empty_subject=_words("possible permis vrai nécessaire"),
    connectives=_words("et ou mais alors aussi donc merci oui non bien"),
    openings=(("qu'en", "est-il"), ("et", "pour")),
    determiners=_words("le la les un une des mon ma mes notre nos du"),
    prepositions=_words("le à au aux en dans pour avec sans de par sur chez après avant pendant depuis"),
    joining=_words("de pour"),
    verbs=_words(
        """est sont était peut peux puis pouvez faut coûte coûtent ouvre ouvrent ferme ferment commence
        commencent dure durent trouve trouver acheter payer voir réserver prendre a avez ont fait"""
    ),
    fillers=_words(
        """que quoi quand où qui quel quelle quels quelles pourquoi comment combien je on nous vous temps
        heure encore plus aussi ici gratuit aujourd'hui"""
    ),
    times=_words("lundi mardi mercredi jeudi vendredi samedi dimanche demain aujourd'hui soir matin noël"),
)
SPANISH: Final = FollowUpWords(
    things=_words("eso esto ello su"),
    several=_words("ellos ellas sus"),
    people=_words("él ella"),
    places={"allí": "en", "ahí": "en", "allá": "en"},
    pointers=frozenset(),
    stand_ins=_words("ése ésa"),
    empty_subject=_words("posible permitido verdad necesario"),
    connectives=_words("y o pero entonces también gracias sí no bueno"),
    openings=(("qué", "tal"), ("qué", "hay", "de")),
    determiners=_words("el la los las un una unos unas mi mis nuestro nuestra"),
    prepositions=_words("a al en para con sin de del por sobre desde hasta los"),
    joining=_words("de para"),
    verbs=_words(
        """es son está están era puede puedo pueden hay tiene tienen cuesta cuestan abre abren cierra cierran
        empieza empiezan dura duran encontrar comprar pagar ver reservar hizo hace"""
    ),
    fillers=_words(
        """qué cuándo dónde quién quiénes cuál cuáles cómo cuánto cuánta cuántos cuántas yo nosotros tiempo
        hora más todavía aquí gratis hoy"""
    ),
    times=_words("lunes martes miércoles jueves viernes sábado domingo sábados domingos mañana hoy navidad"),
)

FOLLOW_UP_WORDS: Final[Mapping[str, FollowUpWords]] = {
    "en": ENGLISH,
    "de": GERMAN,
    "fr": FRENCH,
    "es": SPANISH,
}
