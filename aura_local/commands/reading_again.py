"""Documents that are there already, read, cut and embedded once more by this version of the program."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aura_local.commands.document_files import for_each
from aura_local.commands.output import progress_console

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_local.retrieval.documents import DocumentRecord
    from aura_local.settings_sources import LoadedSettings


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """What became of a tenant's documents."""

    tenant: str
    documents: tuple[DocumentRecord, ...]
    """Those that were read: all but what was cancelled before."""

    @property
    def failed(self) -> tuple[DocumentRecord, ...]:
        return tuple(record for record in self.documents if record.status == "failed")


async def read_documents_again(
    loaded: LoadedSettings, tenant: str | None, document_ids: Sequence[str], *, every: bool
) -> list[ReadAgain]:
    """Read the documents again; all of the tenant, or of `every` tenant, where none is named.

    They are marked in the tenants' files first, so that what is not reached is taken up at the next start.
    Raises `NotFound` for an unknown document, and what keeps the embedder from working.
    """
    from aura_local.commands.engines import wait_for_engines
    from aura_local.commands.opening import open_engine
    from aura_local.commands.tenants import find_tenant

    async with open_engine(loaded) as engine:
        chosen = await engine.catalog.tenants() if every else [await find_tenant(engine.catalog, tenant)]
        await wait_for_engines(engine, "embedder")
        return [await _read_again(engine, owner.id, owner.name, document_ids) for owner in chosen]


async def _read_again(engine: Engine, tenant_id: str, tenant: str, document_ids: Sequence[str]) -> ReadAgain:
    from rich.progress import Progress

    from aura_local.errors import NotFound

    ingestion = engine.ingestion
    async with engine.leases.lease(tenant_id, even_suspended=True) as handle:
        named = list(document_ids) or [record.id for record in await ingestion.list(handle)]
        ids = await ingestion.read_again(handle, named)
        done: list[DocumentRecord] = []
        with Progress(console=progress_console()) as progress:
            bar = progress.add_task(tenant, total=len(ids))

            async def read(document_id: str) -> None:
                with contextlib.suppress(NotFound):  # deleted meanwhile
                    done.append(await ingestion.index(handle, document_id))
                progress.advance(bar)

            await for_each(ids, read)
    return ReadAgain(tenant, tuple(sorted(done, key=lambda record: ids.index(record.id))))
