"""Documents and their passages as clients see them. Layer 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from aura_local.retrieval.labels import Audience, Sensitivity
from aura_server.json_body import RequestBody

if TYPE_CHECKING:
    from aura_local.retrieval.document_progress import DocumentProgress
    from aura_local.retrieval.documents import DocumentRecord


class DocumentChange(RequestBody):
    """What is to change; what is left out stays."""

    audience: Audience | None = None
    """`public`: visitors' questions are answered from it too; `admins`: nobody else knows of it."""
    sensitivity: Sensitivity | None = None
    """`confidential` text never leaves the machine."""


class Progress(BaseModel):
    """How far the indexing of a document is."""

    model_config = ConfigDict(from_attributes=True)

    stage: Literal["received", "parsing", "embedding"]
    pages: int | None = None
    """Pages read; null until the file has been read, and where its kind has none."""
    passages_done: int = 0
    passages_total: int | None = None
    """Null until the text has been cut."""


class Document(BaseModel):
    """One accepted document. Name, size, digest and status are those of its newest version."""

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
    """Whose questions are answered from it: those of admins, of all people and keys, or visitors' too."""
    sensitivity: Sensitivity
    version: int
    """From 1; questions are answered from the newest that could be indexed."""
    indexed_sha256: str | None
    """Of the version that questions are answered from; null where there is none yet."""
    progress: Progress | None = None
    """Only while it is unfinished."""


class DocumentList(BaseModel):
    """All documents of the tenant that are for the asker, oldest first."""

    documents: list[Document]


class DocumentPassage(BaseModel):
    """A passage as it is found and cited."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    ordinal: int
    """Position in the document, from 0."""
    text: str
    heading: str
    """Path of the headings above it."""
    page: int | None
    start_character: int
    end_character: int
    """Slice of the document's extracted text that is `text`."""
    tokens: int | None
    open_at: str
    """The original at the passage's page."""


class PassageList(BaseModel):
    """Passages of a document, in order."""

    passages: list[DocumentPassage]
    next_after: int | None
    """What `after` is for those behind them; null at the end."""


class DocumentText(BaseModel):
    """The extracted text of a document, whole or around a passage."""

    document_id: str
    text: str
    start_character: int
    """Where `text` begins in the whole text; the spans of passages count from there."""
    total_characters: int
    """Of the whole text."""
    passage: DocumentPassage | None
    """The one that was asked for."""


def document_of(record: DocumentRecord, progress: DocumentProgress, tenant_id: str) -> Document:
    """A document with its progress, while there is any."""
    document = Document.model_validate(record)
    if not record.finished:
        step = progress.of(tenant_id, record.id)
        document.progress = Progress(stage="received") if step is None else Progress.model_validate(step)
    return document


def original_at(document_id: str, page: int | None) -> str:
    """Where the original lies, opened at a page by viewers of PDF (`#page=` of RFC 8118)."""
    return f"/api/documents/{document_id}/original" + (f"#page={page}" if page else "")
