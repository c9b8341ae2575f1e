"""How right whole answers are, and what they cite: the product's one answer path, asked a set. Layer 4.

An answer counts as right when it contains the expected one, case and punctuation aside. That is exact for
short facts; where the expected answer is a whole explanation, no answer in other words can contain it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aura_local.accounts.principal import operator
from aura_local.evaluation.hits import GoldPlaces, Place

if TYPE_CHECKING:
    import sqlite_utils

    from aura_local.conversation.events import Citation
    from aura_local.conversation.reply import Answer
    from aura_local.engine import Engine
    from aura_local.evaluation.dataset import EvaluationSet, SetQuestion
    from aura_local.evaluation.subject import Subject

_NOT_WORDS: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """What became of one question."""

    question: SetQuestion
    answered: bool
    right: bool | None
    """Whether it contains the expected answer; None where the set does not name one."""
    citations: tuple[bool, ...]
    """Of each place that is cited, whether it is one that answers the question."""
    first_text_ms: float | None
    """Until the first words; None where there was no answer."""
    whole_ms: float


async def evaluate_answers(
    evaluation: EvaluationSet, subject: Subject, engine: Engine, *, per_type: int | None, seed: int
) -> list[AnswerOutcome]:
    """Fill the tenant of `subject`, which belongs to `engine`, and ask at most so many questions a type."""
    await subject.add(evaluation.folder, evaluation.documents)
    questions = evaluation.sample(per_type, seed).questions
    outcomes: list[AnswerOutcome] = []
    for done, question in enumerate(questions):
        subject.progress("answers", done, len(questions))
        outcomes.append(await _ask(subject, engine, question))
    return outcomes


async def _ask(subject: Subject, engine: Engine, question: SetQuestion) -> AnswerOutcome:
    begun_s = time.perf_counter()
    asker = operator(subject.handle.id)
    async with engine.answer(subject.handle, question.text, asker=asker, session_id=None) as chat:
        async for _ in chat.stream:
            pass
        answer: Answer = chat.stream.answer
    whole_ms = (time.perf_counter() - begun_s) * 1000
    gold = GoldPlaces(question.document, question.golds)
    places = [await _cited(subject, citation) for citation in answer.citations]
    return AnswerOutcome(
        question=question,
        answered=answer.answered,
        right=contains(answer.text, question.answer) if question.answer else None,
        citations=tuple(bool(gold.hit_by(place)) for place in places),
        first_text_ms=answer.stages_ms.get("first_text") if answer.answered else None,
        whole_ms=whole_ms,
    )


async def _cited(subject: Subject, citation: Citation) -> Place:
    """The text that a citation points at, from the stored passages: not what the answer says of it."""

    def read(connection: sqlite_utils.Database) -> Sequence[tuple[str, int | None]]:
        rows: Sequence[tuple[str, int | None]] = connection.execute(
            "SELECT text, page FROM passages"
            " WHERE document_id = ? AND start_character < ? AND end_character > ? ORDER BY ordinal",
            [citation.document_id, citation.end_character, citation.start_character],
        ).fetchall()
        return rows

    rows = await subject.handle.database.read(read)
    pages = [page for _, page in rows if page is not None]
    return Place(
        subject.documents.get(citation.document_id),
        " ".join(text for text, _ in rows),
        (min(pages), max(pages)) if pages else None,
    )


def contains(text: str, expected: str) -> bool:
    """Whether the words of `expected` stand in `text` in a row, case and punctuation aside."""
    return f" {_plain(expected)} " in f" {_plain(text)} "


def _plain(text: str) -> str:
    return _NOT_WORDS.sub(" ", text.casefold()).strip()
