"""A search finds what the classes that it is given hold, all of it and nothing else; on disk, in memory."""

from __future__ import annotations

from typing import Any

import pytest

from aura_local.retrieval.exact_search import exact_search
from aura_local.retrieval.index_choice import IndexLocation
from aura_local.retrieval.labels import EVERYTHING, AccessClasses, Audience, access_class, readable_classes
from aura_local.storage.database import Database
from aura_local.storage.tenant_handle import TenantHandle
from tests.retrieval.conftest import OpenTenant
from tests.retrieval.test_vector_index import store, vectors

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("location", ["disk", "memory"])]

VISITOR = readable_classes("public")
MEMBER = readable_classes("members")
INTERNAL = access_class("members", "internal")
CONFIDENTIAL = access_class("admins", "confidential")
ROWS = vectors(300)
QUESTIONS = vectors(12, seed=5)


async def filled(handle: TenantHandle) -> dict[Audience, list[int]]:
    """Three passages in ten are public, the others for members and for admins."""
    ids: dict[Audience, list[int]] = {}
    for audience, part in (("public", ROWS[:90]), ("members", ROWS[90:290]), ("admins", ROWS[290:])):
        ids[audience] = await store(handle.database, part, audience)  # type: ignore[index, arg-type]
    return ids


async def set_audience(database: Database, document: Audience, audience: Audience) -> None:
    """In the database only."""
    await database.write(
        lambda connection: (
            connection.execute(
                "UPDATE documents SET audience = ? WHERE id = ?", [audience, document]
            ).rowcount
        )
    )


async def agrees(handle: TenantHandle, classes: AccessClasses, allowed: set[int]) -> None:
    """The index finds what the oracle finds, and the oracle only what is allowed."""
    index: Any = await handle.index()
    for question in QUESTIONS:
        found = [match.passage_id for match in await index.query(question, 10, classes)]
        oracle = [match.passage_id for match in await exact_search(handle.database, question, 10, classes)]
        similarities = {n + 1: float(row @ question) for n, row in enumerate(ROWS)}
        expected = sorted(allowed, key=lambda passage_id: -similarities[passage_id])[:10]
        assert found == oracle == expected


async def test_each_asker_finds_the_nearest_of_what_they_may_see(
    open_tenant: OpenTenant, location: IndexLocation
) -> None:
    async with open_tenant("museum", location) as handle:
        ids = await filled(handle)
        visible = set(ids["public"])
        await agrees(handle, VISITOR, visible)
        await agrees(handle, MEMBER, visible | set(ids["members"]))
        await agrees(handle, EVERYTHING, visible | set(ids["members"]) | set(ids["admins"]))
        await agrees(handle, frozenset({CONFIDENTIAL}), set())
        await agrees(handle, frozenset(), set())
        index: Any = await handle.index()
        assert len(await index.query(ROWS[0], 1_000, VISITOR)) == 90
        assert await index.count() == 300


async def test_a_document_changes_its_class_while_the_index_is_open(
    open_tenant: OpenTenant, location: IndexLocation
) -> None:
    async with open_tenant("museum", location) as handle:
        ids = await filled(handle)
        index: Any = await handle.index()
        await set_audience(handle.database, "admins", "public")  # and stays internal
        await index.relabel([*ids["admins"], 999_999], access_class("public", "internal"))
        await agrees(handle, VISITOR, {*ids["public"], *ids["admins"]})
        await set_audience(handle.database, "public", "members")
        await index.relabel(ids["public"], INTERNAL)
        await agrees(handle, VISITOR, set(ids["admins"]))
        assert await index.count() == 300
        await index.delete(ids["members"])
        await index.relabel([], INTERNAL)
        assert {one.passage_id for one in await index.query(ROWS[0], 1_000, MEMBER)} == {
            *ids["public"],
            *ids["admins"],
        }


async def test_a_class_changed_while_the_index_was_closed_is_corrected(
    open_tenant: OpenTenant, location: IndexLocation
) -> None:
    async with open_tenant("museum", location) as handle:
        ids = await filled(handle)
        assert await (await handle.index()).count() == 300
        await set_audience(handle.database, "members", "admins")  # the process died before the index knew
    async with open_tenant("museum", location) as handle:
        await agrees(handle, MEMBER, set(ids["public"]))
        await agrees(handle, EVERYTHING, set(range(1, 301)))
        assert await (await handle.index()).count() == 300


async def test_what_the_index_has_not_seen_is_limited_as_well(
    open_tenant: OpenTenant, location: IndexLocation
) -> None:
    async with open_tenant("museum", location) as handle:
        index: Any = await handle.index()
        ids = await filled(handle)
        assert {one.passage_id for one in await index.query(ROWS[100], 300, VISITOR)} == set(ids["public"])
