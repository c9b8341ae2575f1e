"""What the search by words proposes in a large tenant."""

from __future__ import annotations

import numpy as np
import pytest
import sqlite_utils

from aura_local.retrieval.candidates import COMMON_PASSAGES, read_candidates, search_words
from aura_local.retrieval.exact_search import vector_bytes
from aura_local.retrieval.labels import EVERYTHING
from tests.retrieval.conftest import OpenTenant

VECTOR = np.eye(1, 384, dtype=np.float32)[0]


def many_vases(connection: sqlite_utils.Database) -> None:
    count = COMMON_PASSAGES + 100
    connection.execute(
        "INSERT INTO documents (id, name, media_type, sha256, size_bytes, status, passage_count, created_at,"
        " updated_at) VALUES ('doc', 'rooms.md', '', 'x', 1, 'indexed', ?, '', '')",
        [count],
    )
    for n in range(count):
        connection.execute(
            "INSERT INTO passages (document_id, ordinal, text, heading, start_character, end_character,"
            " vector) VALUES ('doc', ?, ?, '', 0, 1, ?)",
            [n, f"A vase in case ZX{n}.", vector_bytes(VECTOR)],
        )


@pytest.mark.anyio
async def test_words_that_much_of_a_large_tenant_holds_are_passed_over_unless_there_are_no_others(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant() as handle:
        await handle.database.write(many_vases)

        def ask(connection: sqlite_utils.Database) -> None:
            def found(*words: str) -> list[str]:
                matches = search_words(connection, words, EVERYTHING, limit=40)
                return [one.text for one in read_candidates(connection, [], matches, VECTOR, EVERYTHING)]

            assert found("vase", "zx7") == ["A vase in case ZX7."]
            assert len(found("vase", "case")) == 40
            assert found("elephant") == []

        await handle.database.read(ask)
