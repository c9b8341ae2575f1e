"""A tenant in one portable file, readable without AURA Local and importable into another. Layer 1.

In it: the database as a plain SQLite file, the documents as they were uploaded, and documents,
conversations, usage and audit log as JSON. NOT in it: people, API keys, widgets, secrets, tier and any
encryption key; those belong to the installation. The archive is not encrypted: it is for its owner to keep
safe.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
import sqlite_utils
from anyio import to_thread

from aura_local.errors import Conflict, NotFound, StorageDamaged
from aura_local.storage.archive_members import BLOB_PREFIX, DATABASE_MEMBER, ArchiveWriter
from aura_local.storage.catalog import Catalog
from aura_local.storage.database_copies import connected
from aura_local.storage.durable_files import create_private_file, make_private_folder, sync_file, sync_folder
from aura_local.storage.progress import Progress, unobserved
from aura_local.storage.sqlite_errors import file_errors_translated
from aura_local.storage.tenant_handle import TenantHandle
from aura_local.storage.tenant_rows import copy_rows, make_tables

NOT_INCLUDED: Final = ("people", "API keys", "widgets", "secrets", "tier", "encryption keys", "vector index")

_READ_BYTES: Final = 1024 * 1024
_JSON_MEMBERS: Final = {
    "documents.json": "SELECT * FROM documents ORDER BY created_at, id",
    "usage.json": "SELECT at, day, subject, kind, amount FROM usage_entries ORDER BY id",
}


@dataclass(frozen=True, slots=True)
class ArchiveReceipt:
    """What has been exported."""

    path: Path
    members: int
    size_bytes: int


async def export_tenant(
    handle: TenantHandle, catalog: Catalog, target: Path, *, progress: Progress = unobserved
) -> ArchiveReceipt:
    """Write the tenant to the new file `target` (mode 0600), whole or not at all.

    `progress` counts documents' files. A folder `<target>.partial` beside it holds plain text meanwhile.
    Raises Conflict if `target` exists, StorageDamaged for a document that cannot be read, StorageFull,
    StorageUnavailable.
    """
    if await to_thread.run_sync(target.exists):
        raise Conflict(f"{target} exists already: name a new file for the archive.")
    async with _working_folder(target) as folder:
        plain, draft = folder / "plain.sqlite", folder / "archive.zip"
        await to_thread.run_sync(create_private_file, plain)
        await handle.database.read(lambda database: _copy_plain(database, plain))
        with await to_thread.run_sync(_private, draft) as file:
            archive = ArchiveWriter(file)
            names = await to_thread.run_sync(_blob_names, plain)
            for count, name in enumerate(names):
                progress(count, len(names))
                await _add_blob(handle, plain, archive, name)
            progress(len(names), len(names))
            audit = await _audit_entries(catalog, handle.id)
            about: dict[str, object] = {
                "tenant": handle.name,
                "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "not_included": NOT_INCLUDED,
            }
            members = await to_thread.run_sync(_finish, archive, plain, audit, about)
        await to_thread.run_sync(_put, draft, target)
    size_bytes = await to_thread.run_sync(lambda: target.stat().st_size)
    return ArchiveReceipt(target, members, size_bytes)


async def _add_blob(handle: TenantHandle, plain: Path, archive: ArchiveWriter, name: str) -> None:
    try:
        content = await handle.blobs.read(name)
    except NotFound as error:
        query = "SELECT count(*) FROM documents WHERE sha256 = ? OR indexed_sha256 = ?"
        if await handle.database.read(lambda database: database.execute(query, [name, name]).fetchone()[0]):
            raise StorageDamaged(f"The file of a document of tenant {handle.id} is missing.") from error
        await to_thread.run_sync(_forget_blob, plain, name)  # deleted or replaced since the export began
    else:
        await to_thread.run_sync(archive.add, BLOB_PREFIX + name, (content,))


async def _audit_entries(catalog: Catalog, tenant_id: str) -> list[dict[str, Any]]:
    query = "SELECT * FROM audit_entries WHERE chain = ? ORDER BY sequence"
    return await catalog.database.read(lambda database: list(database.query(query, [tenant_id])))


@asynccontextmanager
async def _working_folder(target: Path) -> AsyncIterator[Path]:
    folder = target.with_name(f"{target.name}.partial")

    def make() -> None:
        with file_errors_translated(folder):
            shutil.rmtree(folder, ignore_errors=True)
            make_private_folder(folder)

    try:
        await to_thread.run_sync(make)
        yield folder
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


def _copy_plain(database: sqlite_utils.Database, plain: Path) -> None:
    with connected(plain, None) as connection:
        make_tables(connection)
        copy_rows(database.conn, connection)


def _blob_names(plain: Path) -> list[str]:
    with connected(plain, None) as connection:
        query = "SELECT sha256 FROM documents UNION SELECT indexed_sha256 FROM documents"
        names = {row[0] for row in connection.execute(query).fetchall()}
    return sorted(name for name in names if name is not None)


def _forget_blob(plain: Path, sha256: str) -> None:
    """Leave out a document that is gone, and what came from an earlier version that has been replaced."""
    with connected(plain, None) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM documents WHERE sha256 = ?", [sha256])
        of_version = "(SELECT id FROM documents WHERE indexed_sha256 = ?)"
        connection.execute(f"DELETE FROM passages WHERE document_id IN {of_version}", [sha256])  # noqa: S608
        # Its newest bytes are in the archive; they are indexed after the import.
        connection.execute(
            "UPDATE documents SET indexed_sha256 = NULL, status = 'received', reason = NULL"
            " WHERE indexed_sha256 = ?",
            [sha256],
        )


def _finish(
    archive: ArchiveWriter, plain: Path, audit: Sequence[dict[str, Any]], about: dict[str, object]
) -> int:
    with file_errors_translated(plain):
        archive.add(DATABASE_MEMBER, _file_chunks(plain))
        with connected(plain, None) as connection:
            database = sqlite_utils.Database(connection, execute_plugins=False)
            for name, query in _JSON_MEMBERS.items():
                archive.add(name, _json_chunks(database.query(query)))
            archive.add("conversations.json", _json_chunks(_conversations(database)))
        archive.add("audit.json", _json_chunks(audit))
        return archive.finish(about)


def _conversations(database: sqlite_utils.Database) -> Iterator[dict[str, Any]]:
    turns = "SELECT * FROM turns WHERE session_id = ? ORDER BY ordinal"
    for session in database.query("SELECT * FROM sessions ORDER BY created_at, id"):
        yield session | {
            "turns": [
                {
                    **{name: turn[name] for name in ("user_text", "answer_text", "heard_text", "created_at")},
                    "cancelled": bool(turn["cancelled"]),
                    "citations": json.loads(turn["citations"] or "[]"),
                }
                for turn in database.query(turns, [session["id"]])
            ]
        }


def _json_chunks(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    opening = b"[\n"
    for row in rows:
        yield opening + json.dumps(row, ensure_ascii=False, default=bytes.hex).encode("utf-8", "replace")
        opening = b",\n"
    yield b"[]\n" if opening == b"[\n" else b"\n]\n"


def _file_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            yield chunk


def _private(path: Path) -> Any:
    with file_errors_translated(path):
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def _put(draft: Path, target: Path) -> None:
    with file_errors_translated(target):
        sync_file(draft)
        draft.rename(target)
        sync_folder(target.parent)
