"""A folder of documents and questions about them, read and checked. Layer 4.

docs/            the documents
questions.jsonl  per line `id`, `type`, `question`, `doc` (path, null where no document answers), `gold`
                 (a list of {"text"}, {"page"} or {"document_only": true}), `answer` where there is one
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aura_local.errors import InvalidRequest

QUESTIONS_FILE: Final = "questions.jsonl"
DOCUMENTS_FOLDER: Final = "docs"


@dataclass(frozen=True, slots=True)
class Gold:
    """A place that answers a question; with neither text nor page it is the whole document."""

    text: str = ""
    page: int | None = None
    """From 1."""


@dataclass(frozen=True, slots=True)
class SetQuestion:
    """One question of a set."""

    id: str
    type: str
    text: str
    document: str | None
    """Path of the document that answers it, relative to the set's folder; None where none does."""
    golds: tuple[Gold, ...]
    """Places in the document that answer it; none exactly where no document does."""
    answer: str = ""
    """What a right answer contains; empty where the set does not say."""

    @property
    def answerable(self) -> bool:
        return self.document is not None


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Documents, and questions about them."""

    folder: Path
    documents: tuple[str, ...]
    """Paths relative to the folder, sorted; those that no question is about belong to it too."""
    questions: tuple[SetQuestion, ...]

    @property
    def types(self) -> tuple[str, ...]:
        """Kinds of question in the order in which they first appear."""
        return tuple(dict.fromkeys(question.type for question in self.questions))

    def sample(self, per_type: int | None, seed: int) -> EvaluationSet:
        """The same set with at most so many questions of each type, always the same ones for a seed."""
        if per_type is None:
            return self
        kept: set[str] = set()
        for kind in self.types:
            ids = sorted(question.id for question in self.questions if question.type == kind)
            chosen = random.Random(f"{seed} {kind}").sample(ids, min(per_type, len(ids)))  # noqa: S311
            kept.update(chosen)
        return replace(self, questions=tuple(one for one in self.questions if one.id in kept))


def read_set(folder: Path) -> EvaluationSet:
    """Raises `InvalidRequest`, which names the line, where the folder does not hold a whole set."""
    try:
        lines = (folder / QUESTIONS_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InvalidRequest(f"The folder has no {QUESTIONS_FILE}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{QUESTIONS_FILE} cannot be read as UTF-8.") from error
    questions = tuple(_questions(lines))
    if not questions:
        raise InvalidRequest(f"{QUESTIONS_FILE} holds no question.")
    documents = set(_documents(folder)) | {one.document for one in questions if one.document is not None}
    for document in sorted(documents):
        path = (folder / document).resolve()
        if not path.is_file() or not path.is_relative_to(folder.resolve()):
            raise InvalidRequest(f"The set lacks the document {document}.")
    return EvaluationSet(folder, tuple(sorted(documents)), questions)


class _Gold(BaseModel):
    model_config = ConfigDict(strict=True)

    text: str | None = Field(None, pattern=r"\S")
    page: int | None = Field(None, ge=1)
    document_only: bool = False


class _Line(BaseModel):
    """What is more in a line is for people."""

    model_config = ConfigDict(strict=True)

    id: str
    type: str = Field(min_length=1)
    question: str = Field(pattern=r"\S")
    doc: str | None
    gold: list[_Gold]
    answer: str | None = None


def _questions(lines: Sequence[str]) -> Iterator[SetQuestion]:
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            question = _question(line, f"{QUESTIONS_FILE}, line {number}")
            if question.id in seen:
                raise InvalidRequest(f"{QUESTIONS_FILE}, line {number}: another line has the same id.")
            seen.add(question.id)
            yield question


def _question(line: str, place: str) -> SetQuestion:
    try:
        read = _Line.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"{place}: {field or 'the line'}: {first['msg']}.") from error
    for gold in read.gold:
        if (gold.text is not None) + (gold.page is not None) + gold.document_only != 1:
            raise InvalidRequest(f"{place}: a gold has a text, a page, or says document_only.")
    if bool(read.gold) != (read.doc is not None):
        raise InvalidRequest(f"{place}: gold belongs to a question that a document answers, and only there.")
    golds = tuple(Gold(gold.text or "", gold.page) for gold in read.gold)
    return SetQuestion(read.id, read.type, read.question, read.doc, golds, (read.answer or "").strip())


def _documents(folder: Path) -> Iterator[str]:
    for path in (folder / DOCUMENTS_FOLDER).rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(folder).as_posix()
