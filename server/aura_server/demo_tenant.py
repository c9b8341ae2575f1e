"""The tenant that a first start shows: a museum, from the documents that ship. Layer 5."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from aura_local.accounts.credentials import issue
from aura_local.data_files import data_folder
from aura_local.errors import NotFound

if TYPE_CHECKING:
    from aura_local.engine import Engine

TENANT: Final = "Riverside Museum"
FOLDER: Final = "riverside_museum"
KEY_LABEL: Final = "start page"
_CHUNK_BYTES: Final = 64 * 1024

Progress = Callable[[int, int, str], None]
"""Called with documents done, documents in all, and the name of the next."""


async def open_demo_tenant(engine: Engine) -> tuple[str, str]:
    """The demo tenant's id and a new key for its page; the keys of earlier starts stop working.

    Only digests of keys are kept, so an earlier key cannot be shown again.
    """
    catalog = engine.catalog
    try:
        tenant = await catalog.tenant_by_name(TENANT)
    except NotFound:
        tenant = await catalog.create_tenant(TENANT)
    for earlier in await catalog.api_keys(tenant.id):
        if earlier.label == KEY_LABEL and earlier.revoked_at is None:
            await catalog.revoke_api_key(tenant.id, earlier.id)
    return tenant.id, (await issue(catalog, tenant.id, KEY_LABEL)).key


async def add_demo_documents(
    engine: Engine, tenant_id: str, progress: Progress, *, folder: Path | None = None
) -> None:
    """Accept and index the shipped documents; those that are there already cost nothing.

    The engines must be ready. Raises what adding and indexing raise.
    """
    source = folder or data_folder("knowledge") / FOLDER
    paths = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    async with engine.leases.lease(tenant_id) as handle:
        for number, path in enumerate(paths):
            progress(number, len(paths), path.name)
            record = await engine.ingestion.add(handle, path.name, _chunks(path))
            await engine.ingestion.index(handle, record.id)
    progress(len(paths), len(paths), "")


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while chunk := await file.read(_CHUNK_BYTES):
            yield chunk
