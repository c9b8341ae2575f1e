"""How well passages are found: our own retrieval, and two baselines on the same documents. Layer 4."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from aura_local.evaluation.baselines import ChunkSearch, chunks_of
from aura_local.evaluation.hits import Found, GoldPlaces, Place
from aura_local.evaluation.metrics import Ranked

if TYPE_CHECKING:
    from aura_local.evaluation.dataset import EvaluationSet, SetQuestion
    from aura_local.evaluation.subject import Subject

RANKED_PASSAGES: Final = 50
"""How many are ranked for a question: more than the largest budget holds."""
STRANGE_QUESTIONS: Final = 30
"""Asked of each half of the documents about the other half."""

Rankings: TypeAlias = Mapping[str, Ranked]
"""By the question's id."""


@dataclass(frozen=True, slots=True)
class Declined:
    """How many of some questions were held not to be answered by the documents."""

    declined: int
    n: int

    @property
    def share(self) -> float:
        return self.declined / self.n if self.n else 0.0

    def __add__(self, other: Declined) -> Declined:
        return Declined(self.declined + other.declined, self.n + other.n)


@dataclass(frozen=True, slots=True)
class RetrievalOutcome:
    """What was measured on one set."""

    rankings: Rankings
    """Of the answerable questions."""
    baselines: Mapping[str, Rankings]
    no_answer: Declined
    """Questions that the set says no document answers."""
    answerable: Declined
    cross_document: Declined
    """Questions about one half of the documents, asked while only the other half was there."""
    milliseconds: tuple[float, ...]
    """Of each question, its embedding included, asked as a conversation asks."""
    passages: int
    """Indexed of all documents together."""


async def evaluate_retrieval(
    evaluation: EvaluationSet, subject: Subject, *, baselines: bool, per_type: int | None, seed: int
) -> RetrievalOutcome:
    """Fill the tenant of `subject` with the set's documents and ask; half of them are left in it.

    `per_type` bounds the questions of each type. Raises what the embedder raises.
    """
    first, second = halves(evaluation.documents, seed)
    await subject.add(evaluation.folder, first)
    strange = await _declined(subject, _about(second, evaluation.questions, seed), "other half")
    await subject.add(evaluation.folder, second)
    passages = await _passages(subject)
    asked = evaluation.sample(per_type, seed)
    answerable = [question for question in asked.questions if question.answerable]
    unanswerable = [question for question in asked.questions if not question.answerable]
    durations_ms: list[float] = []
    declined = await _declined(subject, answerable, "answerable", durations_ms)
    no_answer = await _declined(subject, unanswerable, "unanswerable", durations_ms)
    rankings = await _rank(subject, answerable, "ranking", _ours(subject))
    compared = await _baselines(evaluation, subject, answerable) if baselines else {}
    await subject.remove(first)
    strange += await _declined(subject, _about(first, evaluation.questions, seed), "other half")
    return RetrievalOutcome(
        rankings=rankings,
        baselines=compared,
        no_answer=no_answer,
        answerable=declined,
        cross_document=strange,
        milliseconds=tuple(durations_ms),
        passages=passages,
    )


def halves(documents: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """The documents in two halves by chance, the same ones for the same seed."""
    shuffled = sorted(documents)
    random.Random(seed).shuffle(shuffled)  # noqa: S311
    middle = len(shuffled) // 2
    return sorted(shuffled[:middle]), sorted(shuffled[middle:])


def _about(documents: Iterable[str], questions: Sequence[SetQuestion], seed: int) -> list[SetQuestion]:
    among = set(documents)
    possible = sorted((one for one in questions if one.document in among), key=lambda one: one.id)
    return random.Random(seed).sample(possible, min(STRANGE_QUESTIONS, len(possible)))  # noqa: S311


async def _declined(
    subject: Subject, questions: Sequence[SetQuestion], stage: str, durations_ms: list[float] | None = None
) -> Declined:
    declined = []
    for done, question in enumerate(questions):
        subject.progress(stage, done, len(questions))
        begun_s = time.perf_counter()
        found = await subject.retriever.retrieve(subject.handle, question.text, caller=subject.caller)
        if durations_ms is not None:
            durations_ms.append((time.perf_counter() - begun_s) * 1000)
        declined.append(not found.answerable)
    return Declined(sum(declined), len(declined))


Search: TypeAlias = "Callable[[SetQuestion], Awaitable[list[Found]]]"
"""The passages found for a question, best first."""


def _ours(subject: Subject) -> Search:
    documents = subject.documents

    async def search(question: SetQuestion) -> list[Found]:
        found = await subject.retriever.retrieve(
            subject.handle, question.text, caller=subject.caller, limit=RANKED_PASSAGES
        )
        return [
            Found(
                Place(
                    documents.get(passage.document_id),
                    passage.text,
                    None if passage.page is None else (passage.page, passage.page),
                ),
                subject.embedder.count_tokens(passage.text),
            )
            for passage in found.passages
        ]

    return search


async def _rank(
    subject: Subject, questions: Sequence[SetQuestion], stage: str, search: Search
) -> dict[str, Ranked]:
    rankings: dict[str, Ranked] = {}
    for done, question in enumerate(questions):
        subject.progress(stage, done, len(questions))
        places = GoldPlaces(question.document, question.golds)
        found = await search(question)
        hits = tuple(places.hit_by(one.place) for one in found)
        rankings[question.id] = Ranked(tuple(one.tokens for one in found), hits, len(places))
    return rankings


async def _baselines(
    evaluation: EvaluationSet, subject: Subject, questions: Sequence[SetQuestion]
) -> dict[str, Rankings]:
    subject.progress("baselines", 0, 1)
    contents = {
        path: await anyio.Path(evaluation.folder / path).read_bytes() for path in evaluation.documents
    }
    chunks = await chunks_of(contents, subject.embedder)
    search = await ChunkSearch.build(chunks, subject.embedder, subject.caller)

    async def by_vectors(question: SetQuestion) -> list[Found]:
        (vector,) = await subject.embedder.embed([question.text], caller=subject.caller)
        return search.by_vectors(vector, RANKED_PASSAGES)

    async def by_words(question: SetQuestion) -> list[Found]:
        return search.by_words(question.text, RANKED_PASSAGES)

    try:
        return {
            "vectors_1000": await _rank(subject, questions, "vectors_1000", by_vectors),
            "bm25_1000": await _rank(subject, questions, "bm25_1000", by_words),
        }
    finally:
        search.close()


async def _passages(subject: Subject) -> int:
    records = await subject.ingestion.list(subject.handle)
    return sum(record.passage_count or 0 for record in records)
