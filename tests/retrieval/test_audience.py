"""Visitors find public documents alone, and as well as if there were no others."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import sqlite_utils

from aura_local.adapters.minilm_embedder import MiniLmEmbedder
from aura_local.errors import NotFound
from aura_local.ports import Caller, Priority
from aura_local.retrieval.index_choice import IndexLocation
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.labels import Audience, Sensitivity, readable_classes
from aura_local.retrieval.retriever import Retrieval, Retriever
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
    embedder: MiniLmEmbedder, handle: TenantHandle, question: str, audience: Audience = "public"
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
        mixed = await ask(embedder, handle, QUESTION, "admins")
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
                assert (await ask(embedder, handle, QUESTION, "admins")).answerable
    alone, mixed = map(timeless, found)
    assert not mixed.answerable
    assert (mixed.relevance, [one.text for one in mixed.passages]) == (
        alone.relevance,
        [one.text for one in alone.passages],
    )


async def test_neither_search_needs_more_than_it_asked_for_to_find_what_is_public(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    """Many private passages with the very words, of which none may come through either search."""
    rooms = b"\n\n".join(b"# Case %d\n\nHere stands object ZX%d, a vase." % (n, n) for n in range(60))
    fakes = b"\n\n".join(b"# Case %d\n\nObject ZX47 is fake number %d." % (n, n) for n in range(60))
    async with open_tenant() as handle:
        await put(embedder, handle, f"{CANARY}.md", fakes, "members")
        await put(embedder, handle, "rooms.md", rooms, "public")
        found = await ask(embedder, handle, "where is zx47")
        assert found.passages[0].text == "Here stands object ZX47, a vase."
        assert "fake" not in repr(found)
        assert CANARY not in repr(found)


@pytest.mark.parametrize(
    ("audience", "most_sensitive", "names"),
    [
        ("public", "confidential", {"visitors.md"}),
        ("members", "confidential", {"visitors.md", "members.md", "secret.md"}),
        ("members", "internal", {"visitors.md", "members.md"}),
        ("admins", "confidential", {"visitors.md", "members.md", "secret.md", "admins.md"}),
        ("admins", "public", {"visitors.md"}),
    ],
)
async def test_each_asker_finds_the_documents_of_their_classes(
    embedder: MiniLmEmbedder,
    open_tenant: OpenTenant,
    audience: Audience,
    most_sensitive: Sensitivity,
    names: set[str],
) -> None:
    labels: list[tuple[str, Audience, Sensitivity]] = [
        ("visitors.md", "public", "public"),
        ("members.md", "members", "internal"),
        ("secret.md", "members", "confidential"),
        ("admins.md", "admins", "internal"),
    ]
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        for n, (name, whom, sensitivity) in enumerate(labels):
            data = b"# Hours\n\nThe museum opens at %d in wing %d." % (n + 7, n)
            record = await ingestion.add(handle, name, chunks(data), audience=whom, sensitivity=sensitivity)
            await ingestion.index(handle, record.id)
        retriever, caller = Retriever(embedder), Caller("museum", Priority.VOICE)
        report = await retriever.explain(
            handle, QUESTION, caller=caller, audience=audience, most_sensitive=most_sensitive
        )
        assert {one.passage.document_name for one in report.candidates} == names
        sensitivities = {name: sensitivity for name, _, sensitivity in labels}
        assert all(
            one.passage.sensitivity == sensitivities[one.passage.document_name] for one in report.candidates
        )


async def test_an_index_that_has_not_heard_of_a_new_label_gives_nothing_away(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    """As after a crash between the change in the database and the one in the index."""
    async with open_tenant() as handle:
        await put(embedder, handle, "hours.md", HOURS, "public")
        await handle.index()
        await handle.database.write(
            lambda connection: connection.execute("UPDATE documents SET audience = 'members'").rowcount
        )
        vector = (await embedder.embed([QUESTION], caller=Caller("museum", Priority.VOICE)))[0]
        assert await (await handle.index()).query(vector, 5, readable_classes("public"))
        assert (await ask(embedder, handle, QUESTION)).passages == ()


async def test_a_change_of_audience_holds_from_the_next_question_on(
    embedder: MiniLmEmbedder, open_tenant: OpenTenant
) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        document = await put(embedder, handle, "hours.md", HOURS, "members")
        assert (await ingestion.get(handle, document)).audience == "members"
        assert (await ask(embedder, handle, QUESTION)).passages == ()
        assert (await ingestion.set_labels(handle, document, audience="public")).audience == "public"
        assert (await ask(embedder, handle, QUESTION)).answerable
        await ingestion.set_labels(handle, document, audience="members")
        assert (await ask(embedder, handle, QUESTION)).passages == ()
        with pytest.raises(NotFound):
            await ingestion.set_labels(handle, "doc_of_another_tenant", audience="public")


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
            await ingestion.set_labels(handle, document, audience="public", also=broken)
        with pytest.raises(ArithmeticError):
            await ingestion.delete(handle, document, also=broken)
        assert [one.audience for one in await ingestion.list(handle)] == ["members"]
        await ingestion.set_labels(handle, document, audience="public", also=note)
        await ingestion.delete(handle, document, also=note)
        assert noted == [document] * 3
