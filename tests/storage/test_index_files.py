"""The vector index, the one thing that is not encrypted, holds no text, and is built anew elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.retrieval.vector_index import open_index
from aura_local.storage.tenant_export import export_tenant
from aura_local.storage.tenant_import import import_tenant
from tests.storage.filled_home import OTHER_MASTER, Home, files_with, opened, vector

pytestmark = pytest.mark.anyio


async def found(home: Home, tenant_id: str) -> list[tuple[int, float]]:
    async with home.leases.lease(tenant_id) as handle:
        index = await handle.index()
        assert index.accelerated
        return [(match.passage_id, match.similarity) for match in await index.query(vector(7), 3)]


async def test_an_imported_tenant_finds_the_same_and_no_text_leaves_the_encryption(tmp_path: Path) -> None:
    async with opened(tmp_path / "one", open_index=open_index) as home:
        tenant = await home.tenant("Museum", "kingfisher")
        before = await found(home, tenant.id)
        async with home.leases.lease(tenant.id) as handle:
            await export_tenant(handle, home.catalog, tmp_path / "archive")
        assert (handle.folder / "chroma").is_dir()
        assert files_with(tmp_path / "one", b"kingfisher", b"Museum", b"museum") == []
    assert before[0][0] == 8  # ids count from 1
    async with opened(tmp_path / "two", OTHER_MASTER, open_index) as home:
        twin = await import_tenant(home.catalog, home.leases, tmp_path / "archive", "Museum")
        after = await found(home, twin.id)
        assert [passage_id for passage_id, _ in after] == [passage_id for passage_id, _ in before]
        assert [score for _, score in after] == pytest.approx([score for _, score in before], abs=1e-6)
