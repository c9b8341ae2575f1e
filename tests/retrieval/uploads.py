"""Uploads for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aura_local.retrieval.documents import DocumentRecord
from aura_local.retrieval.ingestion import Ingestion
from aura_local.storage.leases import TenantHandle

HOURS = b"# Opening hours\n\nThe museum opens at nine in the morning. It closes at six in the evening.\n"
DOGS = b"# Rules\n\nDogs have to wait outside. Guide dogs may come in with their owner.\n"


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 16):
        yield data[start : start + 16]


async def ingest(ingestion: Ingestion, handle: TenantHandle, name: str, data: bytes) -> DocumentRecord:
    record = await ingestion.add(handle, name, chunks(data))
    return await ingestion.index(handle, record.id)
