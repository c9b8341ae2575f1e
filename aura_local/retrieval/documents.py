"""The rows of a tenant's documents: what has been accepted, how far it is, what became of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

import sqlite_utils

from aura_local.errors import NotFound

DocumentStatus: TypeAlias = Literal["received", "parsing", "embedding", "indexed", "failed"]
Audience: TypeAlias = Literal["members", "public"]
"""Who may find and read a document: those who belong to the tenant, or visitors as well."""

_COLUMNS: Final = (
    "id, name, media_type, sha256, size_bytes, status, reason, page_count, passage_count, created_at,"
    " updated_at, audience"
)


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """One accepted document."""

    id: str
    name: str
    media_type: str
    """Empty until the content has been looked at."""
    sha256: str
    size_bytes: int
    status: DocumentStatus
    reason: str | None
    """Why it failed, or what of an indexed document could not be read."""
    page_count: int | None
    passage_count: int | None
    created_at: str
    """ISO 8601, UTC."""
    updated_at: str
    audience: Audience


def insert_document(
    connection: sqlite_utils.Database,
    *,
    name: str,
    sha256: str,
    size_bytes: int,
    audience: Audience = "members",
) -> DocumentRecord:
    """Add a row with status `received`, or return the row that has the same bytes already.

    One that failed earlier is `received` again: the same upload is how its owner tries once more. The
    audience of a row that is there stays as it is; `set_audience` changes it.
    """
    row = connection.execute("SELECT id FROM documents WHERE sha256 = ?", [sha256]).fetchone()
    if row is not None:
        connection.execute(
            "UPDATE documents SET status = 'received', reason = NULL, updated_at = ?"
            " WHERE id = ? AND status = 'failed'",
            [_now(), row[0]],
        )
        return document_row(connection, row[0])
    document_id = f"doc_{secrets.token_hex(12)}"
    connection.execute(
        "INSERT INTO documents (id, name, media_type, sha256, size_bytes, status, created_at, updated_at,"
        " audience) VALUES (?, ?, '', ?, ?, 'received', ?, ?, ?)",
        [document_id, name, sha256, size_bytes, _now(), _now(), audience],
    )
    return document_row(connection, document_id)


def document_row(connection: sqlite_utils.Database, document_id: str) -> DocumentRecord:
    """Raises `NotFound`."""
    query = f"SELECT {_COLUMNS} FROM documents WHERE id = ?"  # noqa: S608 - our own column names
    row = connection.execute(query, [document_id]).fetchone()
    if row is None:
        raise NotFound("There is no such document.")
    return DocumentRecord(*row)


def document_rows(connection: sqlite_utils.Database) -> list[DocumentRecord]:
    """All documents, oldest first."""
    query = f"SELECT {_COLUMNS} FROM documents ORDER BY created_at, id"  # noqa: S608 - our own column names
    return [DocumentRecord(*row) for row in connection.execute(query).fetchall()]


def set_status(
    connection: sqlite_utils.Database, document_id: str, status: DocumentStatus, reason: str | None = None
) -> None:
    """Does nothing to a document deleted meanwhile."""
    connection.execute(
        "UPDATE documents SET status = ?, reason = ?, updated_at = ? WHERE id = ?",
        [status, reason, _now(), document_id],
    )


def set_audience(connection: sqlite_utils.Database, document_id: str, audience: Audience) -> DocumentRecord:
    """Say who may find a document, from the next question on. Raises `NotFound`."""
    connection.execute(
        "UPDATE documents SET audience = ?, updated_at = ? WHERE id = ?", [audience, _now(), document_id]
    )
    return document_row(connection, document_id)


def delete_row(connection: sqlite_utils.Database, document_id: str) -> tuple[str, list[int]]:
    """Remove a document with its passages; its SHA-256 and the ids of the passages. Raises `NotFound`."""
    sha256 = document_row(connection, document_id).sha256
    passage_ids = passage_ids_of(connection, document_id)
    connection.execute("DELETE FROM documents WHERE id = ?", [document_id])
    return sha256, passage_ids


def passage_ids_of(connection: sqlite_utils.Database, document_id: str) -> list[int]:
    rows = connection.execute("SELECT id FROM passages WHERE document_id = ? ORDER BY id", [document_id])
    return [int(row[0]) for row in rows.fetchall()]


def is_referenced(sha256: str, connection: sqlite_utils.Database) -> bool:
    return connection.execute("SELECT 1 FROM documents WHERE sha256 = ?", [sha256]).fetchone() is not None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
