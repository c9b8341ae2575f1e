"""A tenant with real storage, and the embedder that ships."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import anyio
import pytest

from aura_local.adapters.minilm_embedder import MiniLmEmbedder, open_adapter
from aura_local.adapters.registry import AdapterContext
from aura_local.cores import CoreBudget
from aura_local.retrieval.index_choice import IndexLocation, index_opener
from aura_local.storage.blobs import BlobStore
from aura_local.storage.database import Database
from aura_local.storage.leases import TenantHandle
from aura_local.storage.tenant_tables import TENANT_MIGRATIONS

REPOSITORY = Path(__file__).parents[2]
MODEL = "all-MiniLM-L6-v2-ct2-int8"


@pytest.fixture(scope="session")
def embedder() -> Iterator[MiniLmEmbedder]:
    files = {path.name: path for path in (REPOSITORY / "models" / MODEL).iterdir()}
    engine = open_adapter(AdapterContext(MODEL, CoreBudget(1), files))
    yield engine
    anyio.run(engine.close)


class OpenTenant(Protocol):
    def __call__(
        self, name: str = "museum", index_location: IndexLocation = "disk"
    ) -> AbstractAsyncContextManager[TenantHandle]: ...


@pytest.fixture
def open_tenant(tmp_path: Path) -> OpenTenant:
    """Opens the tenant in a folder of that name; closing and opening it again is a restart."""

    @asynccontextmanager
    async def opened(
        name: str = "museum", index_location: IndexLocation = "disk"
    ) -> AsyncIterator[TenantHandle]:
        folder = tmp_path / name
        database = await Database.open(folder / "tenant.sqlite", b"k" * 32, TENANT_MIGRATIONS)
        handle = TenantHandle(
            id=name,
            name=name,
            folder=folder,
            database=database,
            blobs=BlobStore(folder / "blobs", b"b" * 32, reserve_bytes=0),
            open_index=index_opener(index_location),
            clock=time.monotonic,
        )
        try:
            yield handle
        finally:
            await handle.close()

    return opened
