"""From an upload to a document that is vetted, within the quota, stored, and counted. Layer 5."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from aura_local.errors import DocumentUnreadable
from aura_local.metering.ledger import UsageKind, usage_rows
from aura_local.retrieval.documents import document_row
from aura_local.retrieval.readers.media_type import binary_media_type
from aura_server.document_access import managed_by

if TYPE_CHECKING:
    import sqlite_utils

    from aura_local.engine import Engine
    from aura_local.retrieval.documents import DocumentRecord
    from aura_local.retrieval.labels import Audience, Sensitivity
    from aura_server.authentication import Visit
    from aura_server.multipart_upload import UploadedFile

_HEAD_BYTES: Final = 4096
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Begins old Office files and encrypted new ones; which of them takes more than the head to tell."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Of a new document."""

    audience: Audience
    sensitivity: Sensitivity | None
    """None: what goes with the audience."""


async def take_in(engine: Engine, visit: Visit, file: UploadedFile, place: Labels | str) -> DocumentRecord:
    """Store a file, and enter it in the ledger in the same transaction; durable on return.

    `place`: the labels of a new document, or the id of the one whose next version the file is. Raises
    `QuotaExceeded`, `UnsupportedMedia` or `DocumentUnreadable` for what the first bytes tell, and what
    `Ingestion.add` and `replace` raise: then nothing is kept.
    """
    handle, size_bytes = visit.handle, 0
    limit_bytes = engine.settings.limits.upload_bytes
    tier = (await engine.catalog.tenant(handle.id)).tier
    reserve = partial(engine.quotas.reserve, handle.database, handle.id, tier)
    with ExitStack() as reserved:
        if isinstance(place, Labels):
            reserved.enter_context(await reserve({"documents": 1}))

        async def measured() -> AsyncIterator[bytes]:
            nonlocal size_bytes
            async for chunk in _vetted(file.chunks):
                size_bytes += len(chunk)
                yield chunk
            # The file is kept only once this has ended, and only now is its size known.
            reserved.enter_context(await reserve({"document_bytes": size_bytes}))

        def count(connection: sqlite_utils.Database, document_id: str) -> None:
            amounts: dict[UsageKind, int] = {"document_bytes": size_bytes}
            version = document_row(connection, document_id).version
            if version == 1:
                amounts["documents"] = 1
            # Each version counts once, however often the same bytes arrive.
            key = f"document/{document_id}" + ("" if version == 1 else f"/version/{version}")
            usage_rows(visit.principal.subject, key, amounts, datetime.now(UTC))(connection)

        if isinstance(place, str):
            return await engine.ingestion.replace(
                handle, place, file.name, measured(), limit_bytes=limit_bytes, also=count
            )
        return await engine.ingestion.add(
            handle,
            file.name,
            measured(),
            limit_bytes=limit_bytes,
            audience=place.audience,
            sensitivity=place.sensitivity,
            seen_by=managed_by(visit.principal),
            also=count,
        )


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
