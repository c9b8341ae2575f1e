"""The tables hold what the product needs, and the search index follows them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2 as sqlcipher
import sqlite_utils

from aura_local.storage.database import Database
from aura_local.storage.platform_tables import PLATFORM_MIGRATIONS
from aura_local.storage.tenant_tables import TENANT_MIGRATIONS

pytestmark = pytest.mark.anyio

DOCUMENT = {
    "id": "d1",
    "name": "hours.md",
    "media_type": "text/markdown",
    "sha256": "0" * 64,
    "size_bytes": 10,
    "status": "received",
    "created_at": "2026-01-01T00:00:00+00:00",
    "updated_at": "2026-01-01T00:00:00+00:00",
}


@pytest.fixture
async def tenant(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "tenant.sqlite", bytes(32), TENANT_MIGRATIONS)
    yield database
    await database.close()


async def insert(database: Database, table: str, row: dict[str, Any]) -> int:
    def change(rows: sqlite_utils.Database) -> int:
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        return int(
            rows.conn.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", [*row.values()]).lastrowid
            or 0
        )

    return await database.write(change)


async def insert_passage(database: Database, text: str, heading: str = "") -> int:
    row = {"document_id": "d1", "ordinal": 0, "text": text, "heading": heading, "vector": b"\0" * 1536}
    return await insert(database, "passages", row)


async def search(database: Database, words: str) -> list[int]:
    query = "SELECT rowid FROM passages_fts WHERE passages_fts MATCH ? ORDER BY rank"
    return await database.read(lambda rows: [row["rowid"] for row in rows.query(query, [words])])


async def test_search_follows_insert_update_and_cascading_delete(tenant: Database) -> None:
    await insert(tenant, "documents", DOCUMENT)
    opening = await insert_passage(tenant, "The museum opens at nine.", "Opening hours")
    await insert_passage(tenant, "Tickets cost eight euros.")
    await insert(tenant, "passage_sentences", {"passage_id": opening, "ordinal": 0, "text": "One."})
    assert await search(tenant, "opened") == [opening]  # the stem is found
    assert await search(tenant, "hour") == [opening]  # the heading too
    await tenant.write(
        lambda rows: (
            rows.conn.execute("UPDATE passages SET text = 'It closes.' WHERE id = ?", [opening]) and None
        )
    )
    assert await search(tenant, "museum") == []
    assert await search(tenant, "closing") == [opening]
    await tenant.write(lambda rows: rows.conn.execute("DELETE FROM documents") and None)
    assert await search(tenant, "closing OR tickets") == []
    assert await tenant.read(lambda rows: rows.table("passage_sentences").count) == 0
    await tenant.write(
        lambda rows: (
            rows.conn.execute("INSERT INTO passages_fts(passages_fts) VALUES ('integrity-check')") and None
        )
    )


async def test_a_passage_id_is_never_used_twice(tenant: Database) -> None:
    await insert(tenant, "documents", DOCUMENT)
    first = await insert_passage(tenant, "one")
    await tenant.write(lambda rows: rows.conn.execute("DELETE FROM passages") and None)
    assert await insert_passage(tenant, "two") > first


async def test_impossible_rows_are_refused(tenant: Database) -> None:
    session = {"id": "s1", "language": "en", "created_at": "now"}
    turn = {"session_id": "s1", "ordinal": 1, "user_text": "q", "answer_text": "a", "created_at": "now"}
    await insert(tenant, "sessions", session)
    await insert(tenant, "turns", turn)
    for table, row in (
        ("documents", {**DOCUMENT, "status": "lost"}),
        ("documents", {**DOCUMENT, "size_bytes": "many"}),
        ("passages", {"document_id": "missing", "ordinal": 0, "text": "x"}),
        ("turns", turn),
        ("turns", {**turn, "session_id": "missing"}),
    ):
        with pytest.raises(sqlcipher.IntegrityError):
            await insert(tenant, table, row)


async def test_names_are_unique_and_in_order() -> None:
    for migrations in (PLATFORM_MIGRATIONS, TENANT_MIGRATIONS):
        names = [migration.name for migration in migrations]
        assert names == sorted(set(names))
