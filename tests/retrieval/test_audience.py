"""Visitors find public documents alone, and as well as if there were no others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import sqlite_utils

from aura_local.adapters.minilm_embedder import MiniLmEmbedder
from aura_local.errors import NotFound
from aura_local.ports import Caller, Priority
from aura_local.retrieval.documents import Audience
from aura_local.retrieval.index_choice import IndexLocation
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.retriever import Retrieval, Retriever, SearchedAudience
from aura_local.storage.leases import TenantHandle
from tests.retrieval.conftest import OpenTenant
from tests.retrieval.uploads import DOGS, HOURS, chunks

pytestmark = [pytest.mark.anyio, pytest.mark.engines]
CANARY = "quokka-canary-7731"
QUESTION = "When does the museum open?"


async def put(
    embedder: MiniLmEmbedder, handle: TenantHandle, name: str, data: bytes, audience: Audience
) -> str:
    ingestion = Ingestion(embedder)
    record = await ingestion.add(handle, name, chunks(data), audience=audience)
    return (await ingestion.index(handle, record.id)).id


async def ask(
    embedder: MiniLmEmbedder, handle: TenantHandle, question: str, audience: SearchedAudience = "public"
) -> Retrieval:
    caller = Caller("museum", Priority.VOICE)
    return await Retriever(embedder).retrieve(handle, question, caller=caller, audience=audience)


def timeless(found: Retrieval) -> Any:
    return dataclasses.replace(found, embed_ms=0.0, search_ms=0.0)


@pytest.mark.parametrize("index_location", ["disk", "memory"])
async def test_sixty_private_near_duplicates_do_not_crowd_out_one_public_passage(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant, index_location: IndexLocation
) -> None:
    private = b"\n\n".join(
        b"# Opening hours %d\n\nWhen does the museum open? The museum opens at %d for staff, %s."
        % (n, n, CANARY.encode())
        for n in range(60)
    )
    async with open_tenant("museum", index_location) as handle:
        await put(embedder, handle, f"{CANARY}.md", private, "members")
        assert await (await handle.index()).count() == 60
        public = await put(embedder, handle, "visitors.md", HOURS, "public")
        found = await ask(embedder, handle, QUESTION)
        assert [one.document_id for one in found.passages] == [public]
        assert found.answerable
        assert CANARY not in repr(found)
        mixed = await ask(embedder, handle, QUESTION, "all")
        assert {one.document_name for one in mixed.passages} == {f"{CANARY}.md"}


async def test_a_visitor_is_answered_as_if_nothing_else_were_there(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    """Relevance, missing words and what counts as answerable are those of the public documents."""
    found: list[Retrieval] = []
    for name in ("alone", "mixed"):
        async with open_tenant(name) as handle:
            await put(embedder, handle, "dogs.md", DOGS, "public")
            if name == "mixed":
                await put(embedder, handle, "hours.md", HOURS, "members")
            found.append(await ask(embedder, handle, QUESTION))
            if name == "mixed":
                assert (await ask(embedder, handle, QUESTION, "all")).answerable
    alone, mixed = map(timeless, found)
    assert not mixed.answerable
    assert (mixed.relevance, [one.text for one in mixed.passages]) == (
        alone.relevance,
        [one.text for one in alone.passages],
    )


async def test_with_many_public_passages_the_index_answers_and_no_private_one_slips_in(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_needed(*_: object, **__: object) -> Sequence[object]:
        raise AssertionError("the index had enough public passages")

    rooms = b"\n\n".join(b"# Case %d\n\nHere stands object ZX%d, a vase." % (n, n) for n in range(60))
    async with open_tenant() as handle:
        await put(embedder, handle, "rooms.md", rooms, "public")
        await put(embedder, handle, f"{CANARY}.md", b"# Case 47\n\nObject ZX47 is a fake.", "members")
        await handle.index()
        monkeypatch.setattr("aura_local.retrieval.retriever.exact_search", none_needed)
        found = await ask(embedder, handle, "where is zx47")
        assert found.passages[0].text == "Here stands object ZX47, a vase."
        assert "fake" not in repr(found)
        assert CANARY not in repr(found)


async def test_a_change_of_audience_holds_from_the_next_question_on(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        document = await put(embedder, handle, "hours.md", HOURS, "members")
        assert (await ingestion.get(handle, document)).audience == "members"
        assert (await ask(embedder, handle, QUESTION)).passages == ()
        assert (await ingestion.set_audience(handle, document, "public")).audience == "public"
        assert (await ask(embedder, handle, QUESTION)).answerable
        await ingestion.set_audience(handle, document, "members")
        assert (await ask(embedder, handle, QUESTION)).passages == ()
        with pytest.raises(NotFound):
            await ingestion.set_audience(handle, "doc_of_another_tenant", "public")


async def test_the_same_bytes_again_do_not_publish_a_document(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    async with open_tenant() as handle:
        document = await put(embedder, handle, "hours.md", HOURS, "members")
        assert await put(embedder, handle, "again.md", HOURS, "public") == document
        assert (await Ingestion(embedder).get(handle, document)).audience == "members"


async def test_what_is_to_be_written_with_a_change_is_written_with_it_or_the_change_is_not(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    def broken(_connection: sqlite_utils.Database, _document: str) -> None:
        raise ArithmeticError

    noted: list[str] = []

    def note(connection: sqlite_utils.Database, document: str) -> None:
        assert connection.execute("SELECT 1 FROM documents WHERE id = ?", [document]).fetchone() or noted
        noted.append(document)

    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        with pytest.raises(ArithmeticError):
            await ingestion.add(handle, "hours.md", chunks(HOURS), also=broken)
        assert await ingestion.list(handle) == ()
        document = (await ingestion.add(handle, "hours.md", chunks(HOURS), also=note)).id
        with pytest.raises(ArithmeticError):
            await ingestion.set_audience(handle, document, "public", also=broken)
        with pytest.raises(ArithmeticError):
            await ingestion.delete(handle, document, also=broken)
        assert [one.audience for one in await ingestion.list(handle)] == ["members"]
        await ingestion.set_audience(handle, document, "public", also=note)
        await ingestion.delete(handle, document, also=note)
        assert noted == [document] * 3


async def test_vectors_of_public_passages_are_compared_exactly(open_tenant: OpenTenant) -> None:
    from aura_local.retrieval.exact_search import exact_search
    from tests.retrieval.test_vector_index import store, vectors

    async with open_tenant() as handle:
        rows = vectors(50)
        await store(handle.database, rows)
        assert await exact_search(handle.database, rows[0], 5, public_only=True) == []
        await handle.database.write(
            lambda connection: connection.execute("UPDATE documents SET audience = 'public'").rowcount
        )
        found = await exact_search(handle.database, rows[0], 5, public_only=True)
        order = np.argsort(-(rows @ rows[0]))[:5]
        assert [one.passage_id - 1 for one in found] == list(order)
