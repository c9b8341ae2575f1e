"""Documents on their way in: upload, next version, another try, cancellation. Layer 5.

An upload is acknowledged once its bytes and its row are on the disk; from then on it ends as `indexed` or
`failed` with a reason, whatever happens to the server. What can be told from the first bytes (a program,
a sound, nothing at all) is refused at once; what only the parser sees becomes the document's `reason`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
from starlette.requests import Request
from starlette.types import ASGIApp

from aura_local.errors import InvalidRequest
from aura_local.retrieval.labels import AUDIENCES, SENSITIVITIES
from aura_server.authentication import Visit
from aura_server.document_access import require_audience, visible_document
from aura_server.document_intake import Labels, take_in
from aura_server.document_models import Document, document_of
from aura_server.multipart_upload import open_upload
from aura_server.operations import Operation, json_answer

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_local.retrieval.documents import DocumentRecord
    from aura_local.storage.leases import TenantHandle

UPLOAD_PATH: Final = "/api/documents/upload"
CONTENT_PATH: Final = "/api/documents/{document_id}/content"
FORM_BYTES: Final = 16 * 1024
"""Room for a form's boundaries and headers around its file."""
WAIT_S: Final = 60.0
WAIT_STEP_S: Final = 0.1

Name = TypeVar("Name", bound=str)


def document_upload_operations(engine: Engine) -> list[Operation]:
    """`POST /api/documents/upload`, and what is done about one document's indexing."""

    def shown(record: DocumentRecord, handle: TenantHandle) -> Document:
        return document_of(record, engine.ingestion.progress, handle.id)

    async def upload(request: Request, visit: Visit) -> ASGIApp:
        query = request.query_params
        audience = _one_of(AUDIENCES, "audience", query.get("audience", "members"))
        asked = query.get("sensitivity")
        sensitivity = None if asked is None else _one_of(SENSITIVITIES, "sensitivity", asked)
        require_audience(visit.principal, audience)
        record = await take_in(engine, visit, await open_upload(request), Labels(audience, sensitivity))
        return await _accepted(request, visit.handle, record)

    async def replace(request: Request, visit: Visit) -> ASGIApp:
        document = await visible_document(engine, request, visit)
        record = await take_in(engine, visit, await open_upload(request), document.id)
        return await _accepted(request, visit.handle, record)

    async def _accepted(request: Request, handle: TenantHandle, record: DocumentRecord) -> ASGIApp:
        if not record.finished:
            engine.metrics.document_finished("received")
            engine.index_soon(handle.id, record.id)
            if request.query_params.get("wait") == "true":
                record = await _finished(handle, record)
        location = {"location": f"/api/documents/{record.id}"}
        return json_answer(shown(record, handle), 201 if record.finished else 202, location)

    async def _finished(handle: TenantHandle, record: DocumentRecord) -> DocumentRecord:
        with anyio.move_on_after(WAIT_S):
            while not record.finished:
                await anyio.sleep(WAIT_STEP_S)
                record = await engine.ingestion.get(handle, record.id)
        return record

    async def retry(request: Request, visit: Visit) -> ASGIApp:
        document = await visible_document(engine, request, visit)
        record = await engine.ingestion.retry(visit.handle, document.id)
        engine.index_soon(visit.handle.id, record.id)
        return json_answer(shown(record, visit.handle), 202)

    async def cancel(request: Request, visit: Visit) -> ASGIApp:
        document = await visible_document(engine, request, visit)
        return json_answer(shown(await engine.ingestion.cancel(visit.handle, document.id), visit.handle))

    one = "/api/documents/{document_id}"
    return [
        Operation(
            "POST",
            UPLOAD_PATH,
            "Upload one file; answered once it is stored, indexed in the background.",
            answers={201: Document, 202: Document},
            for_tenant=upload,
            needs="documents.write",
            failures=(400, 408, 413, 415, 422, 507),
            body="multipart/form-data",
            query={
                "wait": "`true` waits up to a minute for the document to be indexed.",
                "audience": "`admins`, `members`, or `public` to answer visitors from it too; of a new one.",
                "sensitivity": "`public`, `internal` or `confidential`; of a new one.",
            },
        ),
        Operation(
            "PUT",
            CONTENT_PATH,
            "Upload the next version of a document; the earlier one answers until it is indexed.",
            answers={201: Document, 202: Document},
            for_tenant=replace,
            needs="documents.write",
            failures=(400, 404, 408, 413, 415, 422, 507),
            body="multipart/form-data",
            query={"wait": "`true` waits up to a minute for the version to be indexed."},
        ),
        Operation(
            "POST",
            f"{one}/retry",
            "Try a failed document once more.",
            {202: Document},
            for_tenant=retry,
            needs="documents.write",
            failures=(404, 409, 507),
        ),
        Operation(
            "POST",
            f"{one}/cancel",
            "End the indexing of a document; it is `failed` then, and can be tried again.",
            {200: Document},
            for_tenant=cancel,
            needs="documents.write",
            failures=(404, 409, 507),
        ),
    ]


def _one_of(known: Sequence[Name], what: str, name: str) -> Name:
    for one in known:
        if name == one:
            return one
    raise InvalidRequest(f"{what} is one of: {', '.join(known)}.")
