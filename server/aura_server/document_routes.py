"""The tenant's documents: upload, list, look at, download, publish, delete. Layer 5.

An upload is acknowledged once its bytes and its row are on the disk; from then on it ends as `indexed` or
`failed` with a reason, whatever happens to the server. What can be told from the first bytes (a program,
an image, nothing at all) is refused at once; what only the parser sees becomes the document's `reason`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args
from urllib.parse import quote

import anyio
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from aura_local.errors import InvalidRequest
from aura_local.retrieval.documents import Audience
from aura_server.authentication import Visit
from aura_server.document_intake import take_in
from aura_server.json_body import RequestBody, read_json
from aura_server.multipart_upload import open_upload
from aura_server.operations import Operation, json_answer

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_local.retrieval.documents import DocumentRecord
    from aura_local.storage.leases import TenantHandle

UPLOAD_PATH: Final = "/api/documents/upload"
FORM_BYTES: Final = 16 * 1024
"""Room for a form's boundaries and headers around its file."""
WAIT_S: Final = 60.0
WAIT_STEP_S: Final = 0.1


class DocumentChange(RequestBody):
    """What is to change."""

    audience: Audience
    """`public`: visitors' questions are answered from it too."""


class Document(BaseModel):
    """One accepted document."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    media_type: str
    """Found in the content; empty until the document has been looked at."""
    sha256: str
    size_bytes: int
    status: Literal["received", "parsing", "embedding", "indexed", "failed"]
    reason: str | None
    """Why it failed, or what of an indexed document could not be read."""
    page_count: int | None
    passage_count: int | None
    created_at: str
    updated_at: str
    audience: Audience
    """Whose questions are answered from it: those of the tenant's people and keys, or visitors' too."""


class DocumentList(BaseModel):
    """All documents of the tenant, oldest first."""

    documents: list[Document]


def document_operations(engine: Engine) -> list[Operation]:
    """Everything under `/api/documents`."""

    async def upload(request: Request, visit: Visit) -> ASGIApp:
        handle, audience = visit.handle, _audience(request.query_params.get("audience", "members"))
        record = await take_in(engine, visit, await open_upload(request), audience)
        if _unfinished(record):
            engine.metrics.document_finished("received")
            engine.index_soon(handle.id, record.id)
            if request.query_params.get("wait") == "true":
                record = await _finished(handle, record)
        location = {"location": f"/api/documents/{record.id}"}
        return json_answer(Document.model_validate(record), 202 if _unfinished(record) else 201, location)

    async def _finished(handle: TenantHandle, record: DocumentRecord) -> DocumentRecord:
        with anyio.move_on_after(WAIT_S):
            while _unfinished(record):
                await anyio.sleep(WAIT_STEP_S)
                record = await engine.ingestion.get(handle, record.id)
        return record

    async def list_all(_request: Request, visit: Visit) -> ASGIApp:
        records = await engine.ingestion.list(visit.handle)
        return json_answer(DocumentList(documents=[Document.model_validate(record) for record in records]))

    async def look_at(request: Request, visit: Visit) -> ASGIApp:
        record = await engine.ingestion.get(visit.handle, request.path_params["document_id"])
        return json_answer(Document.model_validate(record))

    async def download(request: Request, visit: Visit) -> ASGIApp:
        record = await engine.ingestion.get(visit.handle, request.path_params["document_id"])
        content = await visit.handle.blobs.read(record.sha256)
        # Always an attachment: somebody's HTML must not become a page of ours.
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(record.name, safe='')}"}
        return Response(content, headers=headers, media_type="application/octet-stream")

    async def change(request: Request, visit: Visit) -> ASGIApp:
        asked = await read_json(request, DocumentChange)
        document_id = await _recorded(request, visit, "policy.changed", audience=asked.audience)
        record = await engine.ingestion.set_audience(visit.handle, document_id, asked.audience)
        return json_answer(Document.model_validate(record))

    async def _recorded(request: Request, visit: Visit, action: str, **details: str) -> str:
        """Enter what is about to be done to a document of the tenant; its id.

        The log lies in another file than the document: nothing is done that is not in it.
        """
        record = await engine.ingestion.get(visit.handle, request.path_params["document_id"])
        log = engine.audit_log(visit.handle.id)
        await log.append(visit.principal.subject, action, record.id, **details)
        return record.id

    async def delete(request: Request, visit: Visit) -> ASGIApp:
        document_id = await _recorded(request, visit, "document.deleted")
        await engine.ingestion.delete(visit.handle, document_id)
        engine.metrics.document_finished("deleted")
        return Response(status_code=204)

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
                "audience": "`members`, or `public` to answer visitors from it too; of a new document.",
            },
        ),
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
            "Say whose questions a document answers.",
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
            "The file as it was uploaded.",
            {200: "application/octet-stream"},
            for_tenant=download,
            needs="documents.read",
            failures=(404,),
        ),
    ]


def _unfinished(record: DocumentRecord) -> bool:
    return record.status not in ("indexed", "failed")


def _audience(name: str) -> Audience:
    known: tuple[Audience, ...] = get_args(Audience)
    for audience in known:
        if name == audience:
            return audience
    raise InvalidRequest(f"audience is one of: {', '.join(known)}.")
