"""The museum's questions, and what counts as a right answer to them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aura_local.conversation.events import Citation
from aura_local.data_files import data_folder

_NOT_WORDS: Final = re.compile(r"[^a-z0-9' ]+")


@dataclass(frozen=True, slots=True)
class MuseumQuestion:
    """One question; `document` and `facts` are empty for those that no document answers."""

    id: str
    spoken: str
    typed: str
    facts: tuple[tuple[str, ...], ...] = ()
    """Every group must occur in the answer, by any one of its wordings."""
    document: str = ""

    def answered_by(self, text: str) -> bool:
        """Whether a text contains the expected facts, case and punctuation aside."""
        plain = normalise(text)
        return all(any(normalise(fact) in plain for fact in group) for group in self.facts)

    def cited_by(self, citations: Sequence[Citation]) -> bool:
        return any(citation.document == self.document for citation in citations)


def normalise(text: str) -> str:
    """Lower case, words alone, one space between them."""
    return " ".join(_NOT_WORDS.sub(" ", text.lower()).split())


def answerable_questions() -> list[MuseumQuestion]:
    return [_question(row) for row in _rows("questions.jsonl")]


def unanswerable_questions() -> list[MuseumQuestion]:
    return [_question(row) for row in _rows("unanswerable.jsonl")]


def demo_questions() -> list[MuseumQuestion]:
    """The questions of `aura demo`, in their order."""
    known = {question.id: question for question in answerable_questions() + unanswerable_questions()}
    return [known[row["id"]] for row in _rows("conversation.jsonl")]


def _rows(name: str) -> list[dict[str, Any]]:
    lines = (data_folder("knowledge") / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _question(row: dict[str, Any]) -> MuseumQuestion:
    facts = tuple((fact,) if isinstance(fact, str) else tuple(fact) for fact in row.get("facts", ()))
    return MuseumQuestion(row["id"], row["question"], row["typed"], facts, row.get("document", ""))
