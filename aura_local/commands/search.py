"""`aura search "..."`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from aura_local.commands.options import HomeOption, JsonOption, ProfileOption, TenantOption
from aura_local.commands.output import print_json
from aura_local.commands.panels import DOCUMENTS
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.retrieval.retriever import Candidate, SearchReport
    from aura_local.settings_sources import LoadedSettings

_INDENT: Final = "   "


def register(application: typer.Typer) -> None:
    application.command("search", rich_help_panel=DOCUMENTS)(search)


def search(
    question: Annotated[str, typer.Argument(help="What somebody would ask.")],
    tenant: TenantOption = None,
    limit: Annotated[int, typer.Option(help="Passages at most.", min=1, max=50)] = 10,
    as_json: JsonOption = False,
    profile: ProfileOption = None,
    home: HomeOption = None,
) -> None:
    """Show what would be retrieved for a question from a tenant's documents, and why."""

    async def work(loaded: LoadedSettings) -> None:
        report = await _search(loaded, question, tenant, limit)
        if as_json:
            print_json(_as_json(report))
        else:
            _print(report)

    run_command(work, home=home, profile=profile, as_json=as_json)


async def _search(loaded: LoadedSettings, question: str, tenant_name: str | None, limit: int) -> SearchReport:
    from aura_local.commands.engines import wait_for_engines
    from aura_local.commands.opening import open_engine
    from aura_local.commands.tenants import find_tenant
    from aura_local.errors import InvalidRequest
    from aura_local.ports import Caller, Priority

    limit_characters = loaded.values.limits.question_characters
    if not question.strip() or len(question) > limit_characters:
        raise InvalidRequest(f"A question has 1 to {limit_characters} characters.")
    async with open_engine(loaded) as engine:
        tenant = await find_tenant(engine.catalog, tenant_name)
        await wait_for_engines(engine, "embedder")
        async with engine.leases.lease(tenant.id) as handle:
            # Whoever runs commands on the machine holds the master key: nothing is kept from them.
            return await engine.retriever.explain(
                handle, question, caller=Caller(handle.id, Priority.CHAT), limit=limit, audience="admins"
            )


def _as_json(report: SearchReport) -> dict[str, Any]:
    """The same fields as the answer of `/api/search`."""
    return {
        "answerable": report.answerable,
        "relevance": report.relevance,
        "threshold": report.threshold,
        "candidates": [_candidate_json(candidate) for candidate in report.candidates],
        "embed_ms": report.embed_ms,
        "search_ms": report.search_ms,
    }


def _candidate_json(found: Candidate) -> dict[str, Any]:
    passage = found.passage
    return {
        "rank": found.rank,
        "document_id": passage.document_id,
        "document": passage.document_name,
        "sensitivity": passage.sensitivity,
        "heading": passage.heading,
        "page": passage.page,
        "passage_id": passage.passage_id,
        "start_character": passage.start_character,
        "end_character": passage.end_character,
        "tokens": passage.tokens,
        "text": passage.text,
        "fused": found.fused,
        "vector_rank": found.vector_rank,
        "similarity": found.similarity,
        "best_sentence_similarity": found.best_sentence_similarity,
        "word_rank": found.word_rank,
        "word_score": found.word_score,
    }


def _print(report: SearchReport) -> None:
    verdict = "the documents answer" if report.answerable else "the documents do not answer"
    print(
        f"relevance {report.relevance:.3f}, threshold {report.threshold:.3f}: {verdict} "
        f"({report.embed_ms + report.search_ms:.1f} ms)"
    )
    for found in report.candidates:
        passage = found.passage
        place = [passage.document_name, passage.heading]
        place += [] if passage.page is None else [f"page {passage.page}"]
        print(f"\n{found.rank}. {', '.join(filter(None, place))}")
        print(f"{_INDENT}{_reasons(found)}")
        print(f"{_INDENT}{' '.join(passage.text.split())}")


def _reasons(found: Candidate) -> str:
    meaning = "not found" if found.vector_rank is None else f"rank {found.vector_rank}"
    words = "not found" if found.word_rank is None else f"rank {found.word_rank}, BM25 {found.word_score:.2f}"
    return (
        f"fused {found.fused:.4f}; by meaning {meaning}, similarity {found.similarity:.3f} "
        f"(best sentence {found.best_sentence_similarity:.3f}); by words {words}; "
        f"{found.passage.tokens} tokens, {found.passage.sensitivity}"
    )
