"""`GET /api/search`: what would be retrieved for a question, and why. Layer 5.

For people who look after documents: it shows how a question is served before anything is said, so that one
can see whether a poor answer comes from the search or from what was made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.types import ASGIApp

from aura_local.errors import InvalidRequest, PayloadTooLarge
from aura_local.grounded_retrieval import audience_of
from aura_local.ports import Caller, Priority
from aura_local.retrieval.labels import Sensitivity
from aura_server.authentication import Visit
from aura_server.operations import Operation, json_answer
from aura_server.query_values import whole_number

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_local.retrieval.retriever import Candidate, SearchReport

MOST_CANDIDATES: Final = 50
USUAL_CANDIDATES: Final = 10


class SearchCandidate(BaseModel):
    """A passage that was found, and what put it where it is."""

    rank: int
    """From 1."""
    document_id: str
    document: str
    sensitivity: Sensitivity
    heading: str
    page: int | None
    passage_id: int
    start_character: int
    """Span in the document's extracted text."""
    end_character: int
    tokens: int
    text: str
    fused: float
    """What the ranking goes by; comparable inside one answer only."""
    vector_rank: int | None
    """By meaning, from 1; null where that search did not find it."""
    similarity: float
    """Of passage and question, in [-1, 1]."""
    best_sentence_similarity: float
    word_rank: int | None
    """By words, from 1; null where that search did not find it."""
    word_score: float | None
    """BM25; the larger, the better."""


class SearchAnswer(BaseModel):
    """What would be retrieved, best first."""

    answerable: bool
    """Whether `relevance` reaches `threshold`; else the assistant says that the documents do not answer."""
    relevance: float
    threshold: float
    candidates: list[SearchCandidate]
    embed_ms: float
    search_ms: float


def search_operations(engine: Engine) -> list[Operation]:
    """`GET /api/search`."""
    limit_characters = engine.settings.limits.question_characters

    async def search(request: Request, visit: Visit) -> ASGIApp:
        question = request.query_params.get("q", "")
        if not question.strip():
            raise InvalidRequest("q is the question.")
        if len(question) > limit_characters:
            raise PayloadTooLarge(f"A question has at most {limit_characters} characters.")
        limit = whole_number(request, "limit", USUAL_CANDIDATES)
        if not 1 <= limit <= MOST_CANDIDATES:
            raise InvalidRequest(f"limit is 1 to {MOST_CANDIDATES}.")
        report = await engine.retriever.explain(
            visit.handle,
            question,
            caller=Caller(visit.handle.id, Priority.CHAT),
            limit=limit,
            audience=audience_of(visit.principal),
        )
        return json_answer(_answer(report))

    return [
        Operation(
            "GET",
            "/api/search",
            "What would be retrieved for a question, with the ranks and scores of both searches.",
            {200: SearchAnswer},
            for_tenant=search,
            needs="documents.read",
            failures=(400, 413),
            query={
                "q": "The question.",
                "limit": f"Passages at most, {USUAL_CANDIDATES} by default, {MOST_CANDIDATES} at most.",
            },
        )
    ]


def _answer(report: SearchReport) -> SearchAnswer:
    return SearchAnswer(
        answerable=report.answerable,
        relevance=report.relevance,
        threshold=report.threshold,
        candidates=[_candidate(candidate) for candidate in report.candidates],
        embed_ms=report.embed_ms,
        search_ms=report.search_ms,
    )


def _candidate(found: Candidate) -> SearchCandidate:
    passage = found.passage
    return SearchCandidate(
        rank=found.rank,
        document_id=passage.document_id,
        document=passage.document_name,
        sensitivity=passage.sensitivity,
        heading=passage.heading,
        page=passage.page,
        passage_id=passage.passage_id,
        start_character=passage.start_character,
        end_character=passage.end_character,
        tokens=passage.tokens,
        text=passage.text,
        fused=found.fused,
        vector_rank=found.vector_rank,
        similarity=found.similarity,
        best_sentence_similarity=found.best_sentence_similarity,
        word_rank=found.word_rank,
        word_score=found.word_score,
    )
