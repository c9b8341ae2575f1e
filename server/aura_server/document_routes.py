"""The tenant's documents: upload, list, look at, download, delete. Layer 5.

An upload is acknowledged once its bytes and its row are on the disk; from then on it ends as `indexed` or
`failed` with a reason, whatever happens to the server. What can be told from the first bytes (a program,
an image, nothing at all) is refused at once; what only the parser sees becomes the document's `reason`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

import anyio
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from aura_local.errors import DocumentUnreadable
from aura_local.retrieval.readers.media_type import binary_media_type
from aura_server.authentication import Visit
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
_HEAD_BYTES: Final = 4096
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Begins old Office files and encrypted new ones; which of them takes more than the head to tell."""


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


class DocumentList(BaseModel):
    """All documents of the tenant, oldest first."""

    documents: list[Document]


def document_operations(engine: Engine) -> list[Operation]:
    """Everything under `/api/documents`."""

    async def upload(request: Request, visit: Visit) -> ASGIApp:
        handle = visit.handle
        limit_bytes = engine.settings.limits.upload_bytes
        file = await open_upload(request)
        record = await engine.ingestion.add(handle, file.name, _vetted(file.chunks), limit_bytes=limit_bytes)
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

    async def delete(request: Request, visit: Visit) -> ASGIApp:
        await engine.ingestion.delete(visit.handle, request.path_params["document_id"])
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
            query={"wait": "`true` waits up to a minute for the document to be indexed."},
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


async def _vetted(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass a file on; raises `UnsupportedMedia` or `DocumentUnreadable` before it can be committed."""
    head = bytearray()
    looked = False
    async for chunk in chunks:
        if not looked:
            head += chunk[: _HEAD_BYTES - len(head)]
            if len(head) == _HEAD_BYTES:
                looked = _look_at_head(bytes(head))
        yield chunk
    if not head:
        raise DocumentUnreadable("The file is empty.")
    if not looked:
        _look_at_head(bytes(head))


def _look_at_head(head: bytes) -> Literal[True]:
    if not head.startswith(_OLE):
        binary_media_type(head)
    return True
