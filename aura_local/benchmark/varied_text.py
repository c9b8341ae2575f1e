"""As much distinct text as one likes from a little real text: sentences, some words exchanged. Layer 4."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from aura_local.retrieval.sentences import sentence_spans

SENTENCE_CHARACTERS: Final = range(30, 300)
_PARAGRAPH_SENTENCES: Final = 4
_SECTION_PARAGRAPHS: Final = 6
_WORD: Final = re.compile(r"[^\W\d_]{5,}")
_EXCHANGED_SHARE: Final = 0.25
_QUESTION_WORDS: Final = 12


class VariedText:
    """Made from a seed; the n-th document is always the same."""

    def __init__(self, sentences: Iterable[str], seed: int) -> None:
        """`sentences`: real ones, each of which holds words to exchange. Raises ValueError without any."""
        self._seed = seed
        self._sentences = list(dict.fromkeys(sentences))
        self._words = [word for sentence in self._sentences for word in _WORD.findall(sentence)]
        if not self._words:
            raise ValueError("varied text needs sentences with words of five letters and more")

    def document(self, number: int, sentences: int) -> bytes:
        """Markdown in sections of paragraphs, each with a heading of its own."""
        chance = self._chance("document", number)
        parts = [f"# Report {number}"]
        for first in range(0, sentences, _PARAGRAPH_SENTENCES):
            if first % (_PARAGRAPH_SENTENCES * _SECTION_PARAGRAPHS) == 0:
                parts.append(f"## {chance.choice(self._words).capitalize()} and {chance.choice(self._words)}")
            count = min(_PARAGRAPH_SENTENCES, sentences - first)
            parts.append(" ".join(self._sentence(chance) for _ in range(count)))
        return ("\n\n".join(parts) + "\n").encode()

    def question(self, number: int) -> str:
        """The beginning of a sentence that is in no document."""
        words = self._sentence(self._chance("question", number)).split()
        return " ".join(words[:_QUESTION_WORDS]).rstrip(".,;:!?") + "?"

    def _chance(self, kind: str, number: int) -> random.Random:
        return random.Random(f"{self._seed}/{kind}/{number}")  # noqa: S311 - to be repeated, not to be secret

    def _sentence(self, chance: random.Random) -> str:
        def exchanged(word: re.Match[str]) -> str:
            return chance.choice(self._words) if chance.random() < _EXCHANGED_SHARE else word[0]

        return _WORD.sub(exchanged, chance.choice(self._sentences))


def sentences_below(folder: Path) -> list[str]:
    """The sentences of all Markdown and plain text files in a folder and the folders in it."""
    found: list[str] = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".md", ".txt")):
        for paragraph in path.read_text(encoding="utf-8", errors="replace").split("\n\n"):
            text = " ".join(paragraph.split())
            if not text.startswith(("#", "|", "-", "`")):
                found += [text[first:last] for first, last in sentence_spans(text)]
    return [sentence for sentence in found if len(sentence) in SENTENCE_CHARACTERS]
