"""English words by what they do in a clause; the lexicon of `english_clauses`. Data only. Layer 3."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BE: Final = _words("am is are was were")
DO_OR_MODAL: Final = _words(
    "do does did can could will would shall should may might must have has had can't couldn't won't "
    "wouldn't don't doesn't didn't shouldn't"
)
WH: Final = _words("what which who whose whom where when why how")
ARTICLES: Final = _words("a an the")
DETERMINERS: Final = ARTICLES | _words(
    "my your our their its his her every each another this that these those some any no which whose"
)
PRONOUNS: Final = _words(
    "i you he she it we they me him us them this that these those there one anyone someone"
)
SUBJECTS: Final = _words("i you he she it we they there")
NUMBERS: Final = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand "
    "million"
)
GREETINGS: Final = _words("hello hi hey good morning afternoon evening okay so well sorry yes no")
PHRASES: Final = frozenset({("thank", "you"), ("excuse", "me")})
STRANDED: Final = _words("to of at from with for about")
"""Prepositions that a question leaves behind: "what is it for"."""
UNLIKELY_ENDINGS: Final = _words("half quarter past his just only even such")
DOUBTFUL_ENDINGS: Final = _words("any some other her so")
ANSWERS: Final = _words("yes yeah no nope")
PARTICLES: Final = _words("up down off on in out back away over around through by along")
PARTICLE_ADVERBS: Final = _words("up down off out back away along")
"""Particles that are hardly ever prepositions without their noun."""
PARTICLE_VERBS: Final = {
    **dict.fromkeys(_words("come go walk run move drive get"), PARTICLES),
    **dict.fromkeys(_words("turn put"), _words("on off up down in out over around back away")),
    **dict.fromkeys(_words("switch"), _words("on off over")),
    **dict.fromkeys(_words("take bring give call"), _words("off out away back up along")),
    **dict.fromkeys(_words("log sign check hand fill let"), _words("in on off out up over")),
    **dict.fromkeys(_words("sit stand slow write lie"), _words("down up")),
    **dict.fromkeys(_words("pick speed wake hurry set hang keep clean"), _words("up on out")),
    **dict.fromkeys(_words("try find work"), _words("on out up")),
    "look": _words("up around out"),
}
"""Verbs with the particles they take: "turn on", "check in"."""
MUST_HAVE_PARTICLE: Final = _words("turn switch put")
"""With an object these say nothing yet: "switch the television"."""
ADJECTIVES: Final = _words(
    "first large small big little medium tiny huge long short tall high low new old young good bad better "
    "best nice great cheap expensive free fresh hot cold warm cool sunny red green blue yellow black white "
    "grey gray brown orange purple pink dark light heavy single double whole main same different other "
    "next last final early late quiet loud broken wrong right favourite favorite vegetarian vegan guided "
    "full empty clean busy important special lost silver golden wooden modern ancient current nearest "
    "closest cheapest largest smallest oldest newest"
)
TRANSITIVE: Final = _words(
    "buy sell bring want need make get give send tell show take use book reserve order return exchange "
    "repair fix see visit find have has had like love prefer choose borrow rent hire carry keep put say "
    "sells sold need needs wants makes takes gets gives shows costs remind include includes offer offers "
    "print change cancel turn switch set call meet recommend suggest wear hold charge add remove"
)
"""Verbs that hardly ever end a clause unless their object stands in front of it."""
DITRANSITIVE: Final = _words("send give tell show bring get buy lend hand offer")
MEASURE_VERBS: Final = _words("take takes need needs last lasts")
"""Their object may be an extent: "how long does it take"."""
PRICE_VERBS: Final = _words("cost costs pay pays paid")
VERBS: Final = (
    TRANSITIVE
    | DITRANSITIVE
    | PRICE_VERBS
    | frozenset(PARTICLE_VERBS)
    | _words(
        "be go come leave arrive start begin end finish stop open close work help hear listen speak talk "
        "say ask answer know think believe understand mean remember forget learn teach read write draw "
        "paint build play sing dance eat drink cook sleep rest sit stand walk run drive ride fly park pay "
        "cost spend save wait stay live move enter exit join follow lead look watch touch feel smell taste "
        "hurt happen become seem appear look rain snow accept allow permit let contain hold fit last take "
        "repeat continue pause explain describe check try lose win break fall grow cut clean wash drop "
        "pull push connect charge download upload pick climb swim travel plan agree decide hope wish enjoy "
        "hate miss mind matter belong depend study film record photograph smoke feed wrap display ship "
        "deliver register pass reach date weigh measure store leave guide tour invite refund"
    )
)
INFLECTED_ENDINGS: Final = ("ed", "ing")
CONTRACTED: Final = {"s": "is", "re": "are", "ll": "will", "d": "would", "ve": "have", "m": "am"}
