"""The files as they were uploaded, and their text, which passages are slices of. Layer 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from aura_local.errors import Conflict, DocumentUnreadable, NotFound, StorageDamaged
from aura_local.retrieval.parsing import ParsedDocument, parse_document
from aura_local.retrieval.passages import document_text
from aura_local.retrieval.readers.limits import ReadingLimits

if TYPE_CHECKING:
    from aura_local.retrieval.documents import DocumentRecord
    from aura_local.storage.leases import TenantHandle

PARSERS: Final = 3
"""Parsers at work at once, as many as documents are indexed at once; each may use 512 MiB."""


class Originals:
    """Reads the stored files of any tenant."""

    def __init__(self, limits: ReadingLimits) -> None:
        self._limits = limits
        self._parsers = anyio.CapacityLimiter(PARSERS)

    async def content(self, handle: TenantHandle, record: DocumentRecord) -> bytes:
        """The bytes that the passages were made from; of a document that has none yet, those accepted.

        Raises `NotFound` and `StorageDamaged`.
        """
        return await handle.blobs.read(record.indexed_sha256 or record.sha256)

    async def text(self, handle: TenantHandle, record: DocumentRecord) -> str:
        """The extracted text that the passages are slices of, read from the file once more.

        Raises `Conflict` for a document that is not indexed, and what `parse` raises.
        """
        if record.indexed_sha256 is None:
            raise Conflict("The document is not indexed: it has no text yet.")
        return document_text((await self.parse(handle, record.indexed_sha256, record.name)).blocks)

    async def parse(self, handle: TenantHandle, sha256: str, name: str) -> ParsedDocument:
        """Read a stored file; cancelling the call ends the worker that reads it.

        Raises `DocumentUnreadable` for bytes that are missing or damaged, and what `parse_document` raises.
        """
        try:
            data = await handle.blobs.read(sha256)
        except (NotFound, StorageDamaged) as error:
            raise DocumentUnreadable("The stored file is missing or damaged; upload it again.") from error
        async with self._parsers:
            return await parse_document(data, name, limits=self._limits)
