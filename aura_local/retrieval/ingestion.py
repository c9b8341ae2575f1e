"""Documents in: accepted durably, then parsed, cut, embedded and made findable.

`add` returns after bytes and row are on the disk: that is the acknowledgement, and from then on the
document ends as `indexed` or `failed` with a reason, whatever is killed in between. Everything that
`index` makes enters the database in one transaction, which first removes what an earlier run left, so
that running it again changes nothing.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread
import numpy as np
import sqlite_utils
from numpy.typing import NDArray

from aura_local.errors import (
    DeadlineExceeded,
    DocumentUnreadable,
    InvalidRequest,
    NotFound,
    StorageDamaged,
    UnreadableInput,
)
from aura_local.ports import Caller, Embedder, Priority
from aura_local.retrieval.documents import (
    Audience,
    DocumentRecord,
    delete_row,
    document_row,
    document_rows,
    insert_document,
    is_referenced,
    passage_ids_of,
    set_audience,
    set_status,
)
from aura_local.retrieval.exact_search import vector_bytes
from aura_local.retrieval.parsing import ParsedDocument, parse_document
from aura_local.retrieval.passages import Passage, cut_passages

if TYPE_CHECKING:
    from aura_local.storage.audit_table import AlsoWrite
    from aura_local.storage.leases import TenantHandle

UPLOAD_LIMIT_BYTES: Final = 50 * 1024 * 1024
_TEXTS_AT_ONCE: Final = 32

Progress = Callable[[int, int], None]
"""Called with texts embedded so far and in all."""


class Ingestion:
    """Accepts, indexes and deletes the documents of any tenant."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        # Each parser may use 512 MiB.
        self._parsers = anyio.CapacityLimiter(2)
        # A blob is written before its row: while an upload of a tenant is on its way, a deletion must not
        # remove the very bytes that the upload is about to refer to.
        self._arriving: Counter[str] = Counter()
        # One index run per document at a time.
        self._turns: WeakValueDictionary[tuple[str, str], anyio.Lock] = WeakValueDictionary()
        self._unreferenced: defaultdict[str, set[str]] = defaultdict(set)

    async def add(
        self,
        handle: TenantHandle,
        name: str,
        chunks: AsyncIterator[bytes],
        *,
        limit_bytes: int = UPLOAD_LIMIT_BYTES,
        audience: Audience = "members",
        also: AlsoWrite | None = None,
    ) -> DocumentRecord:
        """Store a document; durable on return. The same bytes again return the same document as it is.

        `name` is shown, never used as a path. `also` runs in the same transaction with the document's id.
        Raises `PayloadTooLarge`, `InvalidRequest` for a name that is empty or too long, `StorageFull`.
        Cancelled before it returns, nothing has been promised.
        """
        shown = "".join(character for character in name if character.isprintable()).strip()
        shown = shown.replace("\\", "/").rpartition("/")[2]
        if not shown or len(shown) > 255:
            raise InvalidRequest("A document needs a file name of 1 to 255 characters.")
        self._arriving[handle.id] += 1
        try:
            receipt = await handle.blobs.put(chunks, limit_bytes=limit_bytes)

            def accept(connection: sqlite_utils.Database) -> DocumentRecord:
                record = insert_document(
                    connection,
                    name=shown,
                    sha256=receipt.sha256,
                    size_bytes=receipt.size_bytes,
                    audience=audience,
                )
                if also is not None:
                    also(connection, record.id)
                return record

            return await handle.database.write(accept)
        finally:
            self._arriving[handle.id] -= 1
            with anyio.CancelScope(shield=True):
                await self._remove_unreferenced(handle)

    async def index(
        self, handle: TenantHandle, document_id: str, *, progress: Progress | None = None
    ) -> DocumentRecord:
        """Make an accepted document findable; its record afterwards, `indexed` or `failed`.

        Does nothing to one that is indexed. Raises `NotFound`, and what is not the document's fault
        (`LaneBusy`, `EngineUnavailable`, `StorageFull`): then, as after cancellation, the document is still
        unfinished and `resume` takes it up again.
        """
        # Held by nobody else once its last user has let go of it.
        turn = self._turns.setdefault((handle.id, document_id), anyio.Lock())
        async with turn:
            record = await self.get(handle, document_id)
            if record.status != "indexed":
                await self._index(handle, record, progress)
                record = await self.get(handle, document_id)
        return record

    async def _index(self, handle: TenantHandle, record: DocumentRecord, progress: Progress | None) -> None:
        document_id = record.id
        try:
            await handle.database.write(lambda connection: set_status(connection, document_id, "parsing"))
            data = await _stored_bytes(handle, record)
            async with self._parsers:
                parsed = await parse_document(data, record.name)
            await handle.database.write(lambda connection: set_status(connection, document_id, "embedding"))
            await self._embed_and_store(handle, document_id, parsed, progress)
        except (UnreadableInput, InvalidRequest, DeadlineExceeded) as error:
            reason = error.message
            await handle.database.write(
                lambda connection: set_status(connection, document_id, "failed", reason)
            )

    async def resume(self, handle: TenantHandle) -> tuple[DocumentRecord, ...]:
        """Finish every document that was accepted and is neither indexed nor failed; their records.

        For each start of the program. Raises as `index`; what was finished until then stays so.
        """
        finished: list[DocumentRecord] = []
        for record in await self.list(handle):
            if record.status not in ("indexed", "failed"):
                with contextlib.suppress(NotFound):  # deleted meanwhile
                    finished.append(await self.index(handle, record.id))
        return tuple(finished)

    async def get(self, handle: TenantHandle, document_id: str) -> DocumentRecord:
        """Raises `NotFound`."""
        return await handle.database.read(lambda connection: document_row(connection, document_id))

    async def list(self, handle: TenantHandle) -> tuple[DocumentRecord, ...]:
        """All documents, oldest first."""
        return tuple(await handle.database.read(document_rows))

    async def set_audience(
        self, handle: TenantHandle, document_id: str, audience: Audience, *, also: AlsoWrite | None = None
    ) -> DocumentRecord:
        """Say who may find a document, from the next question on. Raises `NotFound`."""

        def change(connection: sqlite_utils.Database) -> DocumentRecord:
            record = set_audience(connection, document_id, audience)
            if also is not None:
                also(connection, document_id)
            return record

        return await handle.database.write(change)

    async def delete(self, handle: TenantHandle, document_id: str, *, also: AlsoWrite | None = None) -> None:
        """Remove a document, its passages, their vectors, and its bytes. Raises `NotFound`."""

        def remove(connection: sqlite_utils.Database) -> tuple[str, list[int]]:
            removed = delete_row(connection, document_id)
            if also is not None:
                also(connection, document_id)
            return removed

        sha256, passage_ids = await handle.database.write(remove)
        with anyio.CancelScope(shield=True):
            self._unreferenced[handle.id].add(sha256)
            await self._remove_unreferenced(handle)
            index = await handle.index()
            await index.delete(passage_ids)

    async def _remove_unreferenced(self, handle: TenantHandle) -> None:
        while not self._arriving[handle.id] and self._unreferenced[handle.id]:
            sha256 = self._unreferenced[handle.id].pop()
            if not await handle.database.read(partial(is_referenced, sha256)):
                with contextlib.suppress(NotFound):
                    await handle.blobs.delete(sha256)

    async def _embed_and_store(
        self, handle: TenantHandle, document_id: str, parsed: ParsedDocument, progress: Progress | None
    ) -> None:
        passages = await anyio.to_thread.run_sync(self._cut, parsed)
        texts = [f"{passage.heading}\n{passage.text}".strip() for passage in passages]
        texts += [sentence for passage in passages for sentence in passage.sentences]
        vectors = await self._embed(handle, texts, progress)
        ids = await handle.database.write(
            lambda connection: _store(connection, document_id, parsed, passages, vectors)
        )
        index = await handle.index()
        await index.add(ids, vectors[: len(ids)])

    def _cut(self, parsed: ParsedDocument) -> Sequence[Passage]:
        return cut_passages(
            parsed.blocks, self._embedder.count_tokens, window_tokens=self._embedder.window_tokens
        )

    async def _embed(
        self, handle: TenantHandle, texts: Sequence[str], progress: Progress | None
    ) -> NDArray[np.float32]:
        caller = Caller(handle.id, Priority.BACKGROUND)
        parts: list[NDArray[np.float32]] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            parts.append(await self._embedder.embed(texts[start : start + _TEXTS_AT_ONCE], caller=caller))
            if progress is not None:
                progress(min(start + _TEXTS_AT_ONCE, len(texts)), len(texts))
        return np.concatenate(parts)


async def _stored_bytes(handle: TenantHandle, record: DocumentRecord) -> bytes:
    try:
        return await handle.blobs.read(record.sha256)
    except (NotFound, StorageDamaged) as error:
        raise DocumentUnreadable("The stored file is missing or damaged; upload it again.") from error


def _store(
    connection: sqlite_utils.Database,
    document_id: str,
    parsed: ParsedDocument,
    passages: Sequence[Passage],
    vectors: NDArray[np.float32],
) -> list[int]:
    """Write everything a document became; the ids of its passages, none if it was deleted meanwhile.

    `vectors` holds those of the passages, then those of all their sentences in order.
    """
    if connection.execute("SELECT 1 FROM documents WHERE id = ?", [document_id]).fetchone() is None:
        return []
    connection.execute("DELETE FROM passages WHERE document_id = ?", [document_id])
    sentence_row = len(passages)
    for row, passage in enumerate(passages):
        cursor = connection.execute(
            "INSERT INTO passages (document_id, ordinal, text, heading, page, start_character, end_character,"
            " vector) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                document_id,
                passage.ordinal,
                passage.text,
                passage.heading,
                passage.page,
                passage.start_character,
                passage.end_character,
                vector_bytes(vectors[row]),
            ],
        )
        passage_id = cursor.lastrowid
        for ordinal, sentence in enumerate(passage.sentences):
            connection.execute(
                "INSERT INTO passage_sentences (passage_id, ordinal, text, vector) VALUES (?, ?, ?, ?)",
                [passage_id, ordinal, sentence, vector_bytes(vectors[sentence_row])],
            )
            sentence_row += 1
    set_status(connection, document_id, "indexed", parsed.warning or None)
    connection.execute(
        "UPDATE documents SET media_type = ?, page_count = ?, passage_count = ? WHERE id = ?",
        [parsed.media_type, parsed.page_count or None, len(passages), document_id],
    )
    return passage_ids_of(connection, document_id)
