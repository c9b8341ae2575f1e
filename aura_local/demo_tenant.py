"""The demo tenant: a museum whose documents ship with AURA Local. Layer 4."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
import anyio.to_thread

from aura_local.accounts.api_keys import ApiKeys
from aura_local.data_files import data_folder
from aura_local.errors import AuraError, DocumentUnreadable, NotFound
from aura_local.storage.catalog import Tenant

if TYPE_CHECKING:
    from aura_local.engine import Engine

DEMO_TENANT: Final = "Riverside Museum"
START_PAGE_LABEL: Final = "start page"

DemoProgress: TypeAlias = Callable[[str, int, int], None]
"""Called before each document with its name, the documents done so far, and all there are."""


def demo_documents() -> list[Path]:
    """The museum's documents. Raises `ConfigurationError` where the installation lacks them."""
    folder = data_folder("knowledge") / "riverside_museum"
    return sorted(path for path in folder.iterdir() if path.is_file())


async def ensure_demo_tenant(engine: Engine, *, progress: DemoProgress | None = None) -> tuple[Tenant, bool]:
    """The demo tenant with all of its documents indexed, and whether it was created just now.

    Waits until the embedder is loaded and raises what keeps it from working. Running it again adds only
    what is missing: it goes on where an earlier run was interrupted. Raises `DocumentUnreadable` for a
    shipped document that cannot be indexed.
    """
    tenant, created = await _find_or_create(engine)
    with contextlib.suppress(AuraError):  # another engine's failure does not matter here
        await engine.ready()
    ingestion = engine.ingestion
    documents = await anyio.to_thread.run_sync(demo_documents)
    async with engine.leases.lease(tenant.id) as handle:
        there = await ingestion.list(handle)
        indexed = {record.sha256 for record in there if record.status == "indexed"}
        shipped: set[str] = set()
        for done, path in enumerate(documents):
            content = await anyio.Path(path).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            shipped.add(digest)
            if digest in indexed:
                continue
            if progress is not None:
                progress(path.name, done, len(documents))
            accepted = await ingestion.add(handle, path.name, _whole(content), audience="public")
            record = await ingestion.index(handle, accepted.id)
            if record.status != "indexed":
                raise DocumentUnreadable(f"The demo document {path.name} was not indexed: {record.reason}")
        # A museum of before documents had an audience.
        for record in there:
            if record.sha256 in shipped and record.audience != "public":
                await ingestion.set_labels(handle, record.id, audience="public", sensitivity="public")
    return tenant, created


async def demo_key(engine: Engine) -> str:
    """A fresh API key of the demo tenant for the start page; earlier ones stop working.

    Raises `NotFound` where there is no demo tenant.
    """
    tenant = await engine.catalog.tenant_by_name(DEMO_TENANT)
    keys = ApiKeys(engine.catalog.database)
    for key in await keys.of_tenant(tenant.id):
        if key.label == START_PAGE_LABEL and key.revoked_at is None:
            await keys.revoke(tenant.id, key.id)
    return (await keys.issue(tenant.id, START_PAGE_LABEL)).key


async def _find_or_create(engine: Engine) -> tuple[Tenant, bool]:
    try:
        return await engine.catalog.tenant_by_name(DEMO_TENANT), False
    except NotFound:
        return await engine.catalog.create_tenant(DEMO_TENANT), True


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
