"""The rows of a tenant's documents: what has been accepted, how far it is, what became of it. Layer 2.

A document has versions. `sha256` names the bytes of the newest one, `indexed_sha256` those that its passages
were made from: until the newest is indexed, and when it fails, the earlier one goes on answering.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

import sqlite_utils

from aura_local.errors import Conflict, InvalidRequest, NotFound
from aura_local.retrieval.labels import AccessClasses, Audience, Sensitivity

DocumentStatus: TypeAlias = Literal["received", "parsing", "embedding", "indexed", "failed"]

NAME_LIMIT_CHARACTERS: Final = 255
CANCELLED: Final = "cancelled"
"""The reason of a document whose indexing somebody has stopped."""

_COLUMNS: Final = (
    "id, name, media_type, sha256, size_bytes, status, reason, page_count, passage_count, created_at,"
    " updated_at, audience, sensitivity, source, version, indexed_sha256"
)


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """One accepted document."""

    id: str
    name: str
    media_type: str
    """Empty until the content has been looked at."""
    sha256: str
    """Of the newest version."""
    size_bytes: int
    """Of the newest version."""
    status: DocumentStatus
    """Of the newest version."""
    reason: str | None
    """Why it failed, or what of an indexed document could not be read."""
    page_count: int | None
    passage_count: int | None
    created_at: str
    """ISO 8601, UTC."""
    updated_at: str
    audience: Audience
    sensitivity: Sensitivity
    source: str | None
    """Where it is kept in step from; None for an upload."""
    version: int
    """From 1."""
    indexed_sha256: str | None
    """Of the version that answers; None where there is none yet."""

    @property
    def finished(self) -> bool:
        """Whether nothing is to be done for it any more."""
        return self.status in ("indexed", "failed")


@dataclass(frozen=True, slots=True)
class Offer:
    """Stored bytes that are to become a document, or the next version of one."""

    name: str
    sha256: str
    size_bytes: int
    audience: Audience
    """Of a new document; one that is there keeps its labels."""
    sensitivity: Sensitivity
    source: str | None
    classes: AccessClasses
    """What whoever offers it may see: another document with the same bytes is not given away."""


def shown_name(name: str) -> str:
    """What of a file's name is shown: no path, nothing that cannot be seen. Raises `InvalidRequest`."""
    shown = "".join(character for character in name if character.isprintable()).strip()
    shown = shown.replace("\\", "/").rpartition("/")[2]
    if not 0 < len(shown) <= NAME_LIMIT_CHARACTERS:
        raise InvalidRequest(f"A document needs a file name of 1 to {NAME_LIMIT_CHARACTERS} characters.")
    return shown


def accept_document(connection: sqlite_utils.Database, offer: Offer) -> tuple[DocumentRecord, str | None]:
    """The document that the bytes are now, and the SHA-256 of the version that they replace, if any.

    What comes from a source that is there already is its next version; other bytes that are there already
    are the same document, as it is. One that failed is `received` again: the same upload is how its owner
    tries once more.
    """
    if offer.source is not None:
        found = _find(connection, "source = ?", offer.source)
        if found is not None:
            return accept_version(connection, offer, found.id)
    classes = ",".join(str(number) for number in sorted(offer.classes))
    same = f"sha256 = ? AND access_class IN ({classes})"
    found = _find(connection, f"{same} AND source IS NULL", offer.sha256)
    if found is None and offer.source is None:
        found = _find(connection, same, offer.sha256)
    if found is not None:
        if offer.source is not None:
            connection.execute("UPDATE documents SET source = ? WHERE id = ?", [offer.source, found.id])
        return receive_again(connection, found.id), None
    document_id = f"doc_{secrets.token_hex(12)}"
    connection.execute(
        "INSERT INTO documents (id, name, media_type, sha256, size_bytes, status, created_at, updated_at,"
        " audience, sensitivity, source) VALUES (?, ?, '', ?, ?, 'received', ?, ?, ?, ?, ?)",
        [
            document_id,
            offer.name,
            offer.sha256,
            offer.size_bytes,
            _now(),
            _now(),
            offer.audience,
            offer.sensitivity,
            offer.source,
        ],
    )
    return document_row(connection, document_id), None


def accept_version(
    connection: sqlite_utils.Database, offer: Offer, document_id: str
) -> tuple[DocumentRecord, str | None]:
    """Make the bytes the next version of a document; as `accept_document`. Raises `NotFound`."""
    earlier = document_row(connection, document_id)
    if earlier.sha256 == offer.sha256:
        return receive_again(connection, document_id), None
    connection.execute(
        "UPDATE documents SET name = ?, sha256 = ?, size_bytes = ?, status = 'received', reason = NULL,"
        " version = version + 1, updated_at = ? WHERE id = ?",
        [offer.name, offer.sha256, offer.size_bytes, _now(), document_id],
    )
    return document_row(connection, document_id), earlier.sha256


def document_row(connection: sqlite_utils.Database, document_id: str) -> DocumentRecord:
    """Raises `NotFound`."""
    record = _find(connection, "id = ?", document_id)
    if record is None:
        raise NotFound("There is no such document.")
    return record


def document_rows(connection: sqlite_utils.Database) -> list[DocumentRecord]:
    """All documents, oldest first."""
    query = f"SELECT {_COLUMNS} FROM documents ORDER BY created_at, id"  # noqa: S608 - our own column names
    return [DocumentRecord(*row) for row in connection.execute(query).fetchall()]


def receive_again(connection: sqlite_utils.Database, document_id: str) -> DocumentRecord:
    """Have a failed document tried once more; others are as they are. Raises `NotFound`."""
    connection.execute(
        "UPDATE documents SET status = 'received', reason = NULL, updated_at = ?"
        " WHERE id = ? AND status = 'failed'",
        [_now(), document_id],
    )
    return document_row(connection, document_id)


def receive_once_more(connection: sqlite_utils.Database, document_ids: Sequence[str]) -> list[str]:
    """Have documents read anew; what they were read as goes on answering. The ids of those that will be.

    One that somebody has stopped stays as it is. Raises `NotFound`.
    """
    records = [document_row(connection, document_id) for document_id in document_ids]
    wanted = [record.id for record in records if not (record.reason or "").startswith(CANCELLED)]
    for document_id in wanted:
        connection.execute(
            "UPDATE documents SET status = 'received', reason = NULL, updated_at = ?"
            " WHERE id = ? AND status IN ('indexed', 'failed')",
            [_now(), document_id],
        )
    return wanted


def begin_work(connection: sqlite_utils.Database, document_id: str) -> DocumentRecord | None:
    """The version to be indexed, now `parsing`; None where nothing is to be done. Raises `NotFound`."""
    if document_row(connection, document_id).finished:
        return None
    connection.execute(
        "UPDATE documents SET status = 'parsing', updated_at = ? WHERE id = ?", [_now(), document_id]
    )
    return document_row(connection, document_id)


def is_in_work(connection: sqlite_utils.Database, record: DocumentRecord) -> bool:
    """Whether this version is still being indexed: not deleted, cancelled, replaced or finished meanwhile."""
    row = _find(connection, "id = ?", record.id)
    return row is not None and row.version == record.version and row.status in ("parsing", "embedding")


def advance(
    connection: sqlite_utils.Database,
    record: DocumentRecord,
    status: Literal["embedding", "indexed", "failed"],
    reason: str | None = None,
) -> bool:
    """Note how far a version is; False, and nothing is written, unless it is still in work."""
    if not is_in_work(connection, record):
        return False
    if status == "failed" and record.indexed_sha256 is not None:
        reason = f"{(reason or '').removesuffix('.')}; the earlier version still answers."
    connection.execute(
        "UPDATE documents SET status = ?, reason = ?, updated_at = ? WHERE id = ?",
        [status, reason, _now(), record.id],
    )
    return True


def cancel_work(connection: sqlite_utils.Database, document_id: str) -> DocumentRecord:
    """Make a document that waits or is being indexed `failed`. Raises `NotFound`, `Conflict` for another."""
    record = begin_work(connection, document_id)
    if record is None:
        raise Conflict("The document is not being indexed: there is nothing to cancel.")
    advance(connection, record, "failed", CANCELLED)
    return document_row(connection, document_id)


def set_labels(
    connection: sqlite_utils.Database,
    document_id: str,
    *,
    audience: Audience | None = None,
    sensitivity: Sensitivity | None = None,
) -> DocumentRecord:
    """Change the labels that are given. Raises `NotFound`."""
    connection.execute(
        "UPDATE documents SET audience = coalesce(?, audience), sensitivity = coalesce(?, sensitivity),"
        " updated_at = ? WHERE id = ?",
        [audience, sensitivity, _now(), document_id],
    )
    return document_row(connection, document_id)


def delete_row(connection: sqlite_utils.Database, document_id: str) -> list[int]:
    """Remove a document with its passages; their ids. Raises `NotFound`."""
    document_row(connection, document_id)
    passage_ids = passage_ids_of(connection, document_id)
    connection.execute("DELETE FROM documents WHERE id = ?", [document_id])
    return passage_ids


def passage_ids_of(connection: sqlite_utils.Database, document_id: str) -> list[int]:
    rows = connection.execute("SELECT id FROM passages WHERE document_id = ? ORDER BY id", [document_id])
    return [int(row[0]) for row in rows.fetchall()]


def _find(connection: sqlite_utils.Database, condition: str, value: str) -> DocumentRecord | None:
    query = f"SELECT {_COLUMNS} FROM documents WHERE {condition} ORDER BY created_at, id LIMIT 1"  # noqa: S608
    row = connection.execute(query, [value]).fetchone()
    return None if row is None else DocumentRecord(*row)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
