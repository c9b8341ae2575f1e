"""Retrieval on a handful of documents: fusion, citations, and questions nobody can answer."""

from __future__ import annotations

import pytest

from aura_local.adapters.minilm_embedder import MiniLmEmbedder
from aura_local.ports import Caller, Priority
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.retriever import Retriever
from aura_local.retrieval.stop_words import content_words, full_text_query
from tests.retrieval.conftest import OpenTenant
from tests.retrieval.documents import pdf
from tests.retrieval.uploads import DOGS, HOURS, ingest

CALLER = Caller("museum", Priority.VOICE)


def test_questions_become_quoted_words() -> None:
    words = content_words('When does the "cafe" NEAR gate 5 open? cafe* AND -x: Müller\'s')
    assert words == ["cafe", "near", "gate", "5", "open", "x", "müller", "s"]
    assert full_text_query(words[:2]) == '"cafe" OR "near"'
    assert full_text_query(content_words("what is it?")) == ""
    assert len(content_words(" ".join(f"word{n}" for n in range(100)))) == 24


@pytest.mark.anyio
@pytest.mark.engines
async def test_a_passage_comes_with_its_citation(embedder: MiniLmEmbedder, open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        ingestion, retriever = Ingestion(embedder), Retriever(embedder)
        await ingest(ingestion, handle, "hours.md", HOURS)
        await ingest(ingestion, handle, "dogs.md", DOGS)
        leaflet = await ingest(ingestion, handle, "leaflet.pdf", pdf(["Welcome.", "Lockers cost one euro."]))
        hours = await retriever.retrieve(handle, "When does the museum open?", caller=CALLER)
        assert hours.answerable
        best = hours.passages[0]
        assert (best.document_name, best.heading, best.page) == ("hours.md", "Opening hours", None)
        assert best.sentences[0].text == "The museum opens at nine in the morning."
        assert best.sentences[0].similarity > best.sentences[1].similarity
        assert [one.score for one in hours.passages] == sorted(
            (one.score for one in hours.passages), reverse=True
        )
        locker = (await retriever.retrieve(handle, "How much is a locker?", caller=CALLER, limit=1)).passages
        assert [(one.document_id, one.page) for one in locker] == [(leaflet.id, 2)]
        assert locker[0].text == "Lockers cost one euro."
        assert locker[0].end_character - locker[0].start_character == len(locker[0].text)


@pytest.mark.anyio
@pytest.mark.engines
async def test_questions_beyond_the_documents_are_not_answerable(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    async with open_tenant() as handle:
        retriever = Retriever(embedder)
        nothing = await retriever.retrieve(handle, "When do you open?", caller=CALLER)
        assert (nothing.passages, nothing.answerable) == ((), False)
        await ingest(Ingestion(embedder), handle, "hours.md", HOURS)
        for question in (
            "Who won the football match?",
            "",
            "   ",
            "what is it?",
            '"',
            "NEAR(",
            "' OR 1=1 --",
        ):
            assert not (await retriever.retrieve(handle, question, caller=CALLER)).answerable


@pytest.mark.anyio
@pytest.mark.engines
async def test_a_rare_word_is_found_by_the_words(embedder: MiniLmEmbedder, open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        rooms = b"\n\n".join(
            b"# Case %d\n\nHere stands object ZX%d of the collection." % (n, n) for n in range(60)
        )
        await ingest(Ingestion(embedder), handle, "rooms.md", rooms)
        found = await Retriever(embedder).retrieve(handle, "where is zx47", caller=CALLER)
        assert found.passages[0].heading == "Case 47"


@pytest.mark.anyio
@pytest.mark.engines
async def test_a_deleted_document_is_never_cited(embedder: MiniLmEmbedder, open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        record = await ingest(ingestion, handle, "hours.md", HOURS)
        await ingest(ingestion, handle, "dogs.md", DOGS)
        # As after a crash between the commit and the change of the index.
        await handle.index()
        await handle.database.write(
            lambda connection: connection.execute("DELETE FROM documents WHERE id = ?", [record.id]).rowcount
        )
        found = await Retriever(embedder).retrieve(handle, "When does the museum open?", caller=CALLER)
        assert {one.document_name for one in found.passages} == {"dogs.md"}


@pytest.mark.anyio
@pytest.mark.engines
async def test_an_explanation_shows_both_searches_and_what_is_judged(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    async with open_tenant() as handle:
        ingestion, retriever = Ingestion(embedder), Retriever(embedder)
        await ingest(ingestion, handle, "hours.md", HOURS)
        await ingest(ingestion, handle, "dogs.md", DOGS)
        report = await retriever.explain(handle, "When does the museum open?", caller=CALLER)
        first, *others = report.candidates
        assert (first.rank, first.vector_rank, first.word_rank) == (1, 1, 1)
        assert first.word_score is not None
        assert first.best_sentence_similarity >= first.passage.sentences[0].similarity > 0.5
        assert [one.word_rank for one in others] == [None] * len(others)
        assert [one.fused for one in report.candidates] == sorted(
            (one.fused for one in report.candidates), reverse=True
        )
        assert (report.answerable, report.relevance >= report.threshold) == (True, True)
        assert first.passage.tokens == embedder.count_tokens(first.passage.text)
        found = await retriever.retrieve(handle, "When does the museum open?", caller=CALLER)
        assert found.passages == tuple(one.passage for one in report.candidates)[:4]
        assert found.relevance == report.relevance
        short = await retriever.retrieve(
            handle, "When does the museum open?", caller=CALLER, budget_tokens=first.passage.tokens
        )
        assert short.passages == (first.passage,)


@pytest.mark.anyio
@pytest.mark.engines
async def test_words_that_the_documents_do_not_hold_make_an_answer_less_likely(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    async with open_tenant() as handle:
        retriever = Retriever(embedder)
        await ingest(Ingestion(embedder), handle, "hours.md", HOURS)
        await ingest(Ingestion(embedder), handle, "berlin.md", b"# Trains\n\nThe train to Berlin is slow.\n")
        here, elsewhere, nowhere = [
            (await retriever.retrieve(handle, question, caller=CALLER, limit=1)).relevance
            for question in (
                "When does the museum open?",
                "When does the museum in Berlin open?",
                "When does the museum in Vienna open?",
            )
        ]
        assert here > elsewhere > nowhere


@pytest.mark.anyio
@pytest.mark.engines
async def test_what_is_retrieved_can_be_highlighted_in_the_document(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    text = "# Plants\n\n" + " ".join(
        f"In hall number {n} there stands a palm tree from the far island number {n}." for n in range(12)
    )
    async with open_tenant() as handle:
        await ingest(Ingestion(embedder), handle, "plants.md", text.encode())
        found = await Retriever(embedder).retrieve(handle, "palm tree in hall number 7", caller=CALLER)
        extracted = "Plants\n" + text.partition("\n\n")[2]
        assert "number 7" in found.passages[0].text
        for one in found.passages:
            place = extracted[one.start_character : one.end_character]
            assert place.split() == one.text.split()
