"""Whether the speaker has finished, judged by the text alone; silence does the rest. Layer 3.

Recognisers with punctuation say it themselves. For the others the last word decides (`open_words`), in
English also whether the clause has its verb, object and noun (`english_clauses`).
"""

from __future__ import annotations

import re
from typing import Final

from aura_local.adapters.english_clauses import english_completeness
from aura_local.adapters.open_words import OPEN_WORDS, OpenWords
from aura_local.adapters.registry import AdapterContext
from aura_local.ports import EngineDescription, Samples, Transcript

UNFINISHED: Final = 0.0
DOUBTFUL: Final = 0.5
FINISHED: Final = 1.0

WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
SENTENCE_END: Final = re.compile(r"[.?!。？！][\"'”’)\]]*$")
TRAILING_OFF: Final = re.compile(r"(\.\.\.|…|[,;:–—-])[\"'”’)\]]*$")

COMPLETE_WORDS: Final = 2
"""Longest turn that is looked up as a whole."""


def completeness(text: str, *, punctuated: bool, language: str) -> float:
    """How finished the text looks: 0.0 certainly goes on, 0.5 in doubt, 1.0 finished.

    `punctuated` says whether its recogniser writes punctuation. Empty text is unfinished: nothing was said.
    """
    stripped = text.strip()
    if punctuated and SENTENCE_END.search(stripped) and not TRAILING_OFF.search(stripped):
        return FINISHED
    words = [word.replace("’", "'") for word in WORD.findall(stripped.lower())]
    if not words:
        return UNFINISHED
    open_words = OPEN_WORDS.get(language)
    if open_words is None:
        # No word lists: a recogniser that writes punctuation left it out, another one never writes any.
        return DOUBTFUL if punctuated else FINISHED
    judged = _by_words(words, open_words, english=language == "en")
    return min(judged, DOUBTFUL) if punctuated and TRAILING_OFF.search(stripped) else judged


def _by_words(words: list[str], open_words: OpenWords, *, english: bool) -> float:
    last = words[-1]
    if len(words) <= COMPLETE_WORDS and " ".join(words) in open_words.complete_alone:
        return FINISHED
    if last in open_words.never_last:
        return UNFINISHED
    if last in open_words.polite_endings and len(words) > 1:
        return FINISHED
    if english:
        return english_completeness(words)
    return DOUBTFUL if last in open_words.rarely_last else FINISHED


class SilenceTurns:
    """The engine: pure rules, no model, no thread."""

    def __init__(self, description: EngineDescription) -> None:
        self._description = description

    @property
    def description(self) -> EngineDescription:
        return self._description

    async def completion(
        self, audio: Samples, transcript: Transcript, *, punctuated: bool, silence_ms: int
    ) -> float:
        """See `TurnDetector.completion`. The audio and the silence are the commit rule's business."""
        del audio, silence_ms
        return completeness(transcript.text, punctuated=punctuated, language=transcript.language)

    async def close(self) -> None:
        """Nothing to release."""


def open_adapter(context: AdapterContext) -> SilenceTurns:
    """Needs no files."""
    return SilenceTurns(EngineDescription("silence", context.model, context.synthetic, context.note))
