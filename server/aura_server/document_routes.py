"""The tenant's documents: list, look at, download, label, delete. Layer 5."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from aura_local.errors import InvalidRequest
from aura_server.authentication import Visit
from aura_server.document_access import is_visible, managed_by, require_audience, visible_document
from aura_server.document_models import Document, DocumentChange, DocumentList, document_of
from aura_server.json_body import read_json
from aura_server.operations import Operation, json_answer

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_local.retrieval.documents import DocumentRecord
    from aura_local.storage.leases import TenantHandle


def document_operations(engine: Engine) -> list[Operation]:
    """Documents that are there; what is on its way in is in `document_upload_routes`."""

    def shown(record: DocumentRecord, handle: TenantHandle) -> Document:
        return document_of(record, engine.ingestion.progress, handle.id)

    async def list_all(_request: Request, visit: Visit) -> ASGIApp:
        records, audience = await engine.ingestion.list(visit.handle), managed_by(visit.principal)
        visible = [shown(record, visit.handle) for record in records if is_visible(record, audience)]
        return json_answer(DocumentList(documents=visible))

    async def look_at(request: Request, visit: Visit) -> ASGIApp:
        return json_answer(shown(await visible_document(engine, request, visit), visit.handle))

    async def download(request: Request, visit: Visit) -> ASGIApp:
        record = await visible_document(engine, request, visit)
        content = await engine.ingestion.originals.content(visit.handle, record)
        # Always an attachment: somebody's HTML must not become a page of ours.
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(record.name, safe='')}"}
        return Response(content, headers=headers, media_type="application/octet-stream")

    async def change(request: Request, visit: Visit) -> ASGIApp:
        asked = await read_json(request, DocumentChange)
        labels = asked.model_dump(exclude_none=True)
        document = await visible_document(engine, request, visit)
        if not labels:
            raise InvalidRequest("Name what is to change: audience, sensitivity.")
        require_audience(visit.principal, asked.audience)
        await _record(visit, document, "policy.changed", **labels)
        record = await engine.ingestion.set_labels(visit.handle, document.id, **labels)
        return json_answer(shown(record, visit.handle))

    async def delete(request: Request, visit: Visit) -> ASGIApp:
        document = await visible_document(engine, request, visit)
        await _record(visit, document, "document.deleted")
        await engine.ingestion.delete(visit.handle, document.id)
        engine.metrics.document_finished("deleted")
        return Response(status_code=204)

    async def _record(visit: Visit, document: DocumentRecord, action: str, **details: str) -> None:
        """Enter what is about to be done to a document in the audit log.

        The log lies in another file than the document: nothing is done that is not in it.
        """
        log = engine.audit_log(visit.handle.id)
        await log.append(visit.principal.subject, action, document.id, **details)

    one = "/api/documents/{document_id}"
    return [
        Operation(
            "GET",
            "/api/documents",
            "All documents.",
            {200: DocumentList},
            for_tenant=list_all,
            needs="documents.read",
        ),
        Operation(
            "GET",
            one,
            "One document, with its status.",
            {200: Document},
            for_tenant=look_at,
            needs="documents.read",
            failures=(404,),
        ),
        Operation(
            "PATCH",
            one,
            "Say whose questions a document answers, and how careful one must be with it.",
            {200: Document},
            for_tenant=change,
            needs="documents.write",
            failures=(400, 404, 415, 507),
            body=DocumentChange,
        ),
        Operation(
            "DELETE",
            one,
            "Delete a document, its passages and its bytes.",
            {204: None},
            for_tenant=delete,
            needs="documents.write",
            failures=(404,),
        ),
        Operation(
            "GET",
            f"{one}/original",
            "The file that passages and citations come from, as it was uploaded.",
            {200: "application/octet-stream"},
            for_tenant=download,
            needs="documents.read",
            failures=(404,),
        ),
    ]
