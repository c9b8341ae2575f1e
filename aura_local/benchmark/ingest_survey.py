"""Compares what a data folder holds of planned documents with what its server had promised. Layer 4."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import sqlite_utils

from aura_local.benchmark.ingest_clients import KeptDocument
from aura_local.benchmark.planned_documents import Edition, marks_in
from aura_local.benchmark.restarting_server import settings_of
from aura_local.data_home import open_data_home
from aura_local.retrieval.chroma_folder import ChromaFolder
from aura_local.retrieval.folder_lock import FolderLock
from aura_local.retrieval.labels import EVERYTHING
from aura_local.retrieval.stored_vectors import stored_classes
from aura_local.storage.tenant_handle import TenantHandle

_BLOB: Final = re.compile(r"[0-9a-f]{64}")
_FINISHED: Final = ("indexed", "failed")


@dataclass(slots=True)
class IngestSurvey:
    """What was found."""

    statuses: Counter[str] = field(default_factory=Counter)
    passages: int = 0
    index_entries: int = 0
    """Only looked at in the end, like the blobs."""
    blobs: int = 0
    unfinished_files: int = 0
    """Halves of uploads that were cut off; the server removes them after a day."""
    wrong: list[str] = field(default_factory=list)


async def survey_ingested(
    folder: Path, tenant_id: str, documents: Sequence[KeptDocument], *, finished: bool = False
) -> IngestSurvey:
    """What is lost, doubled, mixed or half-read, in a folder on which no server runs.

    `finished`: all has been acknowledged and read, so that nothing may be left over either.
    """
    survey = IngestSurvey()
    async with open_data_home(settings_of(folder)) as data, data.leases.lease(tenant_id) as handle:
        # Written to, because FTS5 checks itself by a command.
        survey.wrong += await handle.database.write(_damage)
        rows = await handle.database.read(lambda c: list(c.query("SELECT * FROM documents")))
        released = await handle.database.read(
            lambda c: frozenset(row["sha256"] for row in c.query("SELECT sha256 FROM released_blobs"))
        )
        passages = await handle.database.read(
            lambda c: list(c.query("SELECT id, document_id, ordinal, text FROM passages ORDER BY id"))
        )
        survey.statuses.update(str(row["status"]) for row in rows)
        survey.passages = len(passages)
        survey.wrong += _documents(rows, documents, finished=finished)
        survey.wrong += _passages(rows, passages, documents)
        await anyio.to_thread.run_sync(_files, handle, rows, released, survey, finished)
        if finished:
            indexed = await anyio.to_thread.run_sync(index_entries, handle.folder)
            survey.index_entries = len(indexed)
            survey.wrong += differences(indexed, await stored_classes(handle.database))
    return survey


def _damage(connection: sqlite_utils.Database) -> list[str]:
    (found,) = connection.conn.execute("PRAGMA integrity_check").fetchone()
    try:
        # Rank 1 compares with the passages as well.
        connection.conn.execute("INSERT INTO passages_fts(passages_fts, rank) VALUES ('integrity-check', 1)")
    except connection.conn.DatabaseError as error:
        return [f"the word index does not agree with the passages: {error}"]
    return [] if found == "ok" else [f"the tenant's file is damaged: {found}"]


def _documents(
    rows: Sequence[dict[str, Any]], documents: Sequence[KeptDocument], *, finished: bool
) -> Iterator[str]:
    """Each acknowledged document is there once, in an edition that its client sent."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(str(row["name"]), []).append(row)
    for document in documents:
        found = by_name.pop(document.plan.name, [])
        yield from _document(document, found, finished=finished)
    for name in by_name:
        yield f"{name} was never offered"


def _document(document: KeptDocument, found: list[dict[str, Any]], *, finished: bool) -> Iterator[str]:
    name = document.plan.name
    if len(found) > 1:
        yield f"{name} is there {len(found)} times"
    if document.deleted and found:
        yield f"{name} is there although it was deleted"
    if document.id and not document.deletion_offered and [row["id"] for row in found] != [document.id]:
        yield f"{name} is lost, or has another id"
    for row in found:
        edition = _edition_of(row, document)
        if edition is None:
            yield f"{name} has bytes that were not sent, or that an acknowledged edition replaced"
        elif finished and row["status"] not in _FINISHED:
            yield f"{name} stays {row['status']}"
        elif row["status"] in _FINISHED and (row["status"] == "indexed") != edition.sound:
            yield f"{name} is {row['status']}, of sound bytes: {edition.sound}"
        if row["status"] == "failed" and not row["reason"]:
            yield f"{name} failed without a reason"


def _edition_of(row: dict[str, Any], document: KeptDocument) -> Edition | None:
    digest = row["sha256"]
    return next((e for e in document.possible if hashlib.sha256(e.content).hexdigest() == digest), None)


def _passages(
    rows: Sequence[dict[str, Any]], passages: Sequence[dict[str, Any]], documents: Sequence[KeptDocument]
) -> Iterator[str]:
    """Every document has all passages of exactly one edition, or none."""
    plans = {document.plan.name: document for document in documents}
    by_document: dict[str, list[dict[str, Any]]] = {str(row["id"]): [] for row in rows}
    for passage in passages:
        if passage["document_id"] not in by_document:
            yield f"passage {passage['id']} is of no document"
        by_document.setdefault(str(passage["document_id"]), []).append(passage)
    for row in rows:
        of_document = by_document[str(row["id"])]
        document = plans.get(str(row["name"]))
        if document is None:
            continue
        if sorted(passage["ordinal"] for passage in of_document) != list(range(len(of_document))):
            yield f"{row['name']} has doubled or missing passages"
        if row["status"] == "indexed" and row["passage_count"] != len(of_document):
            yield f"{row['name']} has {len(of_document)} passages and says {row['passage_count']}"
        marks = Counter(mark for passage in of_document for mark in marks_in(passage["text"]))
        yield from _sentences(row, marks, document)


def _sentences(row: dict[str, Any], marks: Counter[str], document: KeptDocument) -> Iterator[str]:
    if max(marks.values(), default=1) > 1:
        yield f"{row['name']} has sentences in two passages"
    if row["status"] == "indexed":
        edition = _edition_of(row, document)
        if edition is not None and marks.keys() != edition.marks:
            yield f"{row['name']} is indexed with {len(marks)} of {len(edition.marks)} sentences, or others"
    elif marks and marks.keys() not in [edition.marks for edition in document.plan.editions]:
        yield f"{row['name']} is {row['status']} with part of an edition"


def _files(
    handle: TenantHandle,
    rows: Sequence[dict[str, Any]],
    released: frozenset[str],
    survey: IngestSurvey,
    finished: bool,
) -> None:
    files = [path.name for path in (handle.folder / "blobs").rglob("*") if path.is_file()]
    blobs = {name for name in files if _BLOB.fullmatch(name)}
    referenced = {str(row[name]) for row in rows for name in ("sha256", "indexed_sha256") if row[name]}
    # Cut off between the bytes and their row, which was never promised: removed after a day, like halves.
    unclaimed = blobs - referenced - released
    survey.blobs = len(blobs) - len(unclaimed)
    survey.unfinished_files = len(files) - survey.blobs
    survey.wrong += [f"the bytes of {row['name']} are missing" for row in rows if row["sha256"] not in blobs]
    if finished and (orphans := (blobs & released) - referenced):
        survey.wrong.append(f"{len(orphans)} files are of no document")


def index_entries(tenant_folder: Path) -> dict[int, int | None]:
    """Access classes by passage in the index, as it lies on the disk.

    Looked at before an opening server makes good what a crash left different.
    """
    folder = tenant_folder / "chroma"
    lock = FolderLock(folder)
    try:
        chroma = ChromaFolder(folder)
        found: dict[int, int | None] = {one: label for label in EVERYTHING for one in chroma.ids(label)}
        chroma.mark_sound()
        chroma.close()
    finally:
        lock.release()
    return found


def differences(indexed: Mapping[int, int | None], stored: Mapping[int, int]) -> list[str]:
    """Between what an index holds and what the database does."""
    lacking, surplus = stored.keys() - indexed.keys(), indexed.keys() - stored.keys()
    otherwise = sum(indexed[passage] != stored[passage] for passage in stored.keys() & indexed.keys())
    if not lacking and not surplus and not otherwise:
        return []
    found = f"lacks {len(lacking)} passages, has {len(surplus)} more and {otherwise} of another class"
    return [f"the index {found}"]
