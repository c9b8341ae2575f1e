"""Documents in: accepted durably, then parsed, cut, embedded and made findable. Layer 2.

`add` returns after bytes and row are on the disk: that is the acknowledgement, and from then on the
document ends as `indexed` or `failed` with a reason, whatever is killed in between. Everything that
`index` makes enters the database in one transaction, which also removes what the earlier version or an
earlier run left, so that no question is answered from half a document and running it again changes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias
from weakref import WeakValueDictionary

import anyio
import sqlite_utils

from aura_local.errors import Conflict, DeadlineExceeded, InvalidRequest, UnreadableInput
from aura_local.ports import Caller, Embedder, Priority
from aura_local.retrieval import documents
from aura_local.retrieval.blob_references import BlobReferences
from aura_local.retrieval.document_progress import DocumentProgress, IndexingProgress
from aura_local.retrieval.documents import DocumentRecord, Offer
from aura_local.retrieval.ended_runs import releasing_frames
from aura_local.retrieval.indexing import Report, index_text
from aura_local.retrieval.labels import Audience, Sensitivity, access_class, readable_classes
from aura_local.retrieval.originals import Originals
from aura_local.retrieval.readers.limits import DEFAULT_LIMITS, ReadingLimits
from aura_local.retrieval.stored_passages import StoredPassage, store_version, stored_passages

if TYPE_CHECKING:
    from aura_local.storage.audit_table import AlsoWrite
    from aura_local.storage.leases import TenantHandle

UPLOAD_LIMIT_BYTES: Final = 50 * 1024 * 1024

_Key: TypeAlias = tuple[str, str]
"""Tenant and document."""
_Accept: TypeAlias = "Callable[[sqlite_utils.Database, Offer], tuple[DocumentRecord, str | None]]"


class Ingestion:
    """Accepts, indexes, relabels and deletes the documents of any tenant."""

    def __init__(self, embedder: Embedder, *, limits: ReadingLimits = DEFAULT_LIMITS) -> None:
        self.progress = DocumentProgress()
        self.originals = Originals(limits)
        self._limit_sentences = limits.sentences
        self._embedder = embedder
        self._blobs = BlobReferences()
        # One index run per document at a time, and one change of its passages or labels in database and
        # vector index. Locks are held by nobody else once their last user has let go of them.
        self._turns: WeakValueDictionary[_Key, anyio.Lock] = WeakValueDictionary()
        self._changes: WeakValueDictionary[_Key, anyio.Lock] = WeakValueDictionary()
        self._running: dict[_Key, anyio.CancelScope] = {}

    async def add(
        self,
        handle: TenantHandle,
        name: str,
        chunks: AsyncIterator[bytes],
        *,
        limit_bytes: int = UPLOAD_LIMIT_BYTES,
        audience: Audience = "members",
        sensitivity: Sensitivity | None = None,
        source: str | None = None,
        seen_by: Audience = "admins",
        also: AlsoWrite | None = None,
    ) -> DocumentRecord:
        """Store a document; durable on return. The same bytes again return the same document as it is.

        Other bytes from a `source` that is known are the next version of its document. `name` is shown,
        never used as a path. Without `sensitivity` a document for the public is `public`, another one
        `internal`; labels are those of a new document. Bytes that are there in a document which somebody of
        the audience `seen_by` must not see are stored as a document of their own. `also` runs in the same
        transaction with the document's id. Raises `PayloadTooLarge`, `InvalidRequest` for a name that is
        empty or too long, `StorageFull`. Cancelled before it returns, nothing has been promised.
        """
        offer = partial(
            Offer,
            audience=audience,
            sensitivity=sensitivity or ("public" if audience == "public" else "internal"),
            source=source,
            classes=readable_classes(seen_by),
        )
        return await self._accept(handle, name, chunks, limit_bytes, offer, documents.accept_document, also)

    async def replace(
        self,
        handle: TenantHandle,
        document_id: str,
        name: str,
        chunks: AsyncIterator[bytes],
        *,
        limit_bytes: int = UPLOAD_LIMIT_BYTES,
        also: AlsoWrite | None = None,
    ) -> DocumentRecord:
        """Store the next version of a document; as `add`. Raises `NotFound`.

        The earlier version answers until this one is indexed, and goes on when that fails.
        """
        await self.get(handle, document_id)  # before its bytes are read
        offer = partial(Offer, audience="members", sensitivity="internal", source=None, classes=frozenset())
        accept = partial(documents.accept_version, document_id=document_id)
        return await self._accept(handle, name, chunks, limit_bytes, offer, accept, also)

    async def _accept(
        self,
        handle: TenantHandle,
        name: str,
        chunks: AsyncIterator[bytes],
        limit_bytes: int,
        offer: Callable[[str, str, int], Offer],
        accept: _Accept,
        also: AlsoWrite | None,
    ) -> DocumentRecord:
        def write(connection: sqlite_utils.Database, made: Offer) -> tuple[DocumentRecord, str | None]:
            record, replaced = accept(connection, made)
            if also is not None:
                also(connection, record.id)
            return record, replaced

        shown = documents.shown_name(name)
        async with self._blobs.arriving(handle):
            receipt = await handle.blobs.put(chunks, limit_bytes=limit_bytes)
            made = offer(shown, receipt.sha256, receipt.size_bytes)
            record, replaced = await handle.database.write(partial(write, made=made))
            if replaced is not None:
                self._stop(handle, record.id)
                await self._blobs.remove_released(handle)
        self.progress.changed(handle.id, record.id)
        return record

    async def index(
        self, handle: TenantHandle, document_id: str, *, progress: Report | None = None
    ) -> DocumentRecord:
        """Make an accepted document findable; its record afterwards, `indexed` or `failed`.

        Does nothing to one that is finished. Raises `NotFound`, also when it is deleted meanwhile, and what
        is not the document's fault (`LaneBusy`, `EngineUnavailable`, `StorageFull`): then, as after
        cancellation, the document is still unfinished and is taken up again at the next start.
        """
        key = (handle.id, document_id)
        turn = self._turns.setdefault(key, anyio.Lock())

        def report(step: IndexingProgress) -> None:
            self.progress.report(*key, step)
            if progress is not None:
                progress(step)

        async with turn:
            # Again where another version was accepted during the run.
            while record := await handle.database.write(
                partial(documents.begin_work, document_id=document_id)
            ):
                try:
                    with anyio.CancelScope() as self._running[key], releasing_frames():
                        await self._index(handle, record, report)
                finally:
                    del self._running[key]
                    self.progress.end(*key)
        return await self.get(handle, document_id)

    async def _index(self, handle: TenantHandle, record: DocumentRecord, report: Report) -> None:
        try:
            report(IndexingProgress("parsing"))
            parsed = await self.originals.parse(handle, record.sha256, record.name)
            if not await handle.database.write(partial(documents.advance, record=record, status="embedding")):
                return
            caller = Caller(handle.id, Priority.BACKGROUND)
            version = await index_text(
                self._embedder, parsed, caller=caller, report=report, limit_sentences=self._limit_sentences
            )
        except (UnreadableInput, InvalidRequest, DeadlineExceeded) as error:
            await self.fail(handle, record, error.message)
            return
        with anyio.CancelScope(shield=True):
            async with self._changing(handle, record.id):
                replacement = await handle.database.write(
                    partial(store_version, record=record, version=version)
                )
                if replacement is not None:
                    index = await handle.index()
                    await index.add(replacement.added, version.passage_vectors, replacement.access_class)
                    await index.delete(replacement.removed)
            await self._blobs.remove_released(handle)

    async def fail(self, handle: TenantHandle, record: DocumentRecord, reason: str) -> None:
        """Give a version up that is still in work; its document answers from an earlier one, if any."""
        await handle.database.write(partial(documents.advance, record=record, status="failed", reason=reason))
        self.progress.changed(handle.id, record.id)

    async def tidy(self, handle: TenantHandle) -> None:
        """Remove the files that a killed process was about to remove; for each start of the program."""
        await self._blobs.tidy(handle)

    async def retry(self, handle: TenantHandle, document_id: str) -> DocumentRecord:
        """Have a failed document tried once more by the next `index`.

        Raises `NotFound`, and `Conflict` for one that is indexed.
        """
        record = await handle.database.write(partial(documents.receive_again, document_id=document_id))
        if record.status == "indexed":
            raise Conflict("The document is indexed: there is nothing to try again.")
        self.progress.changed(handle.id, document_id)
        return record

    async def read_again(self, handle: TenantHandle, document_ids: Sequence[str]) -> list[str]:
        """Have documents read anew by the next `index`; until then their passages answer.

        Durable on return, which is the ids of those that will be: not what was cancelled. Raises `NotFound`,
        and then changes none.
        """
        ids = await handle.database.write(partial(documents.receive_once_more, document_ids=document_ids))
        for document_id in ids:
            self.progress.changed(handle.id, document_id)
        return ids

    async def cancel(self, handle: TenantHandle, document_id: str) -> DocumentRecord:
        """Make a document that waits or is being indexed `failed`, and end its parser.

        Raises `NotFound`, and `Conflict` for one that is finished.
        """
        record = await handle.database.write(partial(documents.cancel_work, document_id=document_id))
        self._stop(handle, document_id)
        self.progress.changed(handle.id, document_id)
        return record

    async def get(self, handle: TenantHandle, document_id: str) -> DocumentRecord:
        """Raises `NotFound`."""
        return await handle.database.read(partial(documents.document_row, document_id=document_id))

    async def list(self, handle: TenantHandle) -> tuple[DocumentRecord, ...]:
        """All documents, oldest first."""
        return tuple(await handle.database.read(documents.document_rows))

    async def set_labels(
        self,
        handle: TenantHandle,
        document_id: str,
        *,
        audience: Audience | None = None,
        sensitivity: Sensitivity | None = None,
        also: AlsoWrite | None = None,
    ) -> DocumentRecord:
        """Change the labels that are given, from the next question on. Raises `NotFound`."""

        def change(connection: sqlite_utils.Database) -> tuple[DocumentRecord, list[int]]:
            record = documents.set_labels(connection, document_id, audience=audience, sensitivity=sensitivity)
            if also is not None:
                also(connection, document_id)
            return record, documents.passage_ids_of(connection, document_id)

        async with self._changing(handle, document_id):
            record, passage_ids = await handle.database.write(change)
            with anyio.CancelScope(shield=True):
                index = await handle.index()
                await index.relabel(passage_ids, access_class(record.audience, record.sensitivity))
        self.progress.changed(handle.id, document_id)
        return record

    async def delete(self, handle: TenantHandle, document_id: str, *, also: AlsoWrite | None = None) -> None:
        """Remove a document, its passages, their vectors, and its bytes; ends its indexing.

        Raises `NotFound`.
        """

        def remove(connection: sqlite_utils.Database) -> list[int]:
            passage_ids = documents.delete_row(connection, document_id)
            if also is not None:
                also(connection, document_id)
            return passage_ids

        async with self._changing(handle, document_id):
            passage_ids = await handle.database.write(remove)
            with anyio.CancelScope(shield=True):
                self._stop(handle, document_id)
                await self._blobs.remove_released(handle)
                index = await handle.index()
                await index.delete(passage_ids)
        self.progress.changed(handle.id, document_id)

    async def passages(
        self, handle: TenantHandle, document_id: str, *, after: int = -1, limit: int = 100
    ) -> tuple[StoredPassage, ...]:
        """Up to `limit` passages behind the one with the ordinal `after`, in order. Raises `NotFound`."""
        return await handle.database.read(
            lambda connection: stored_passages(connection, document_id, after, limit)
        )

    def _stop(self, handle: TenantHandle, document_id: str) -> None:
        """End the run of a version that is not wanted any more; its parser is killed with it."""
        running = self._running.get((handle.id, document_id))
        if running is not None:
            running.cancel()

    def _changing(self, handle: TenantHandle, document_id: str) -> anyio.Lock:
        return self._changes.setdefault((handle.id, document_id), anyio.Lock())
