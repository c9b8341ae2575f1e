"""`GET /api/documents/events`: what becomes of the tenant's documents, as it happens. Layer 5.

First the state of every document, then every change. Changes by another process (`aura ingest` beside the
server) are found with the heartbeat. The stream ends when its holder's right to it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from aura_local.errors import AuraError, AuthenticationFailed, InvalidRequest, NotFound
from aura_server.document_access import is_visible, managed_by
from aura_server.document_models import document_of
from aura_server.event_stream import EVENT_STREAM, EventWriter, while_connected
from aura_server.operations import Operation
from aura_server.problems import error_body

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine
    from aura_local.retrieval.document_progress import DocumentWatch
    from aura_local.retrieval.documents import DocumentRecord

HEARTBEAT_S: Final = 15.0
CHECK_EVERY_S: Final = 0.5
"""How often the holder is looked up: a withdrawn right ends a stream within a second."""
PAUSE_S: Final = 0.1
"""Between two looks at what has changed: steps that follow each other faster are told together."""
SINGLE_LOOKS: Final = 16
"""Changed documents that are looked up one by one; with more, all are."""


def document_progress_operations(engine: Engine) -> list[Operation]:
    """`GET /api/documents/events`."""

    async def events(request: Request, principal: Principal) -> ASGIApp:
        if EVENT_STREAM not in request.headers.get("accept", ""):
            raise InvalidRequest(f"Events need the header `Accept: {EVENT_STREAM}`.")
        return _Events(engine, principal, principal.tenant)

    return [
        Operation(
            "GET",
            "/api/documents/events",
            "With `Accept: text/event-stream`: every document, then every change, as the events `document`, "
            "`current` (all have been sent), `deleted` and `error`.",
            {200: EVENT_STREAM},
            for_principal=events,
            needs="documents.read",
            failures=(400, 429),
        )
    ]


@dataclass(slots=True, eq=False)
class _Events:
    """One stream. It borrows the tenant for each look, so that an idle one keeps no file open."""

    engine: Engine
    principal: Principal
    tenant_id: str
    sent: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By its id, when each document that the client knows was last changed, and a hash of what was sent."""

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        events = EventWriter(send, self.engine.settings.limits.send_deadline_s)
        with self.engine.ingestion.progress.watch(self.tenant_id) as watch:
            await while_connected(receive, lambda: self._run(watch, events))

    async def _run(self, watch: DocumentWatch, events: EventWriter) -> None:
        try:
            await self._compare(events)
            await events.write("current", {})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._follow, watch, events)
                await self._until_withdrawn()
                tasks.cancel_scope.cancel()
            error: AuraError = AuthenticationFailed("Access has been withdrawn.", code="access_withdrawn")
            await events.write("error", error_body(error)["error"])
        except* AuraError as failures:
            first = next(iter(_leaves(failures)))
            if not events.begun:
                raise first from None
            await events.write("error", error_body(first)["error"])
        await events.finish()

    async def _until_withdrawn(self) -> None:
        while await self.engine.still_good(self.principal):  # noqa: ASYNC110 - any process may end it
            await anyio.sleep(CHECK_EVERY_S)

    async def _follow(self, watch: DocumentWatch, events: EventWriter) -> None:
        while True:
            changed: frozenset[str] = frozenset()
            with anyio.move_on_after(HEARTBEAT_S):
                changed = await watch.wait()
            if changed:
                await self._tell(events, await self._records(changed), changed)
                await anyio.sleep(PAUSE_S)
            else:
                await events.heartbeat()
                await self._compare(events)

    async def _compare(self, events: EventWriter) -> None:
        records = await self._records()
        known = {document_id: changed_at for document_id, (changed_at, _) in self.sent.items()}
        different = {one.id for one in records.values() if known.get(one.id) != one.updated_at}
        await self._tell(events, records, different | (self.sent.keys() - records.keys()))

    async def _records(self, wanted: frozenset[str] | None = None) -> dict[str, DocumentRecord]:
        """Those of the wanted documents that are there for the holder, or all; by id, oldest first."""
        ingestion, audience = self.engine.ingestion, managed_by(self.principal)
        async with self.engine.leases.lease(self.tenant_id) as handle:
            if wanted is None or len(wanted) > SINGLE_LOOKS:
                found = list(await ingestion.list(handle))
            else:
                found = []
                for document_id in wanted:
                    with suppress(NotFound):
                        found.append(await ingestion.get(handle, document_id))
        return {record.id: record for record in found if is_visible(record, audience)}

    async def _tell(
        self, events: EventWriter, records: dict[str, DocumentRecord], changed: Iterable[str]
    ) -> None:
        told = set(changed)
        for document_id in [one for one in records if one in told]:
            record = records[document_id]
            document = document_of(record, self.engine.ingestion.progress, self.tenant_id)
            content = (record.updated_at, hash(document.model_dump_json()))
            if self.sent.get(document_id) != content:
                await events.write("document", document.model_dump(mode="json"))
                self.sent[document_id] = content
        for document_id in told - records.keys():
            if self.sent.pop(document_id, None) is not None:
                await events.write("deleted", {"id": document_id})


def _leaves(failures: BaseExceptionGroup[AuraError]) -> Iterable[AuraError]:
    for failure in failures.exceptions:
        if isinstance(failure, BaseExceptionGroup):
            yield from _leaves(failure)
        else:
            yield failure
