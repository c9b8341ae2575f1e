"""What is evaluated: a tenant that is filled from a set's documents, and emptied of them again. Layer 4."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeAlias

import anyio

from aura_local.errors import InvalidRequest
from aura_local.ports import Caller, Priority

if TYPE_CHECKING:
    from pathlib import Path

    from aura_local.ports import Embedder
    from aura_local.retrieval.ingestion import Ingestion
    from aura_local.retrieval.retriever import Retriever
    from aura_local.storage.leases import TenantHandle

EvaluationProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(slots=True)
class Subject:
    """One tenant with the product's own ingestion and retrieval."""

    handle: TenantHandle
    ingestion: Ingestion
    retriever: Retriever
    embedder: Embedder
    upload_limit_bytes: int
    progress: EvaluationProgress
    failed: dict[str, str] = field(default_factory=dict)
    """Reasons of the documents that could not be indexed, by path; their questions find nothing."""
    _ids: dict[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> Caller:
        return Caller(self.handle.id, Priority.CHAT)

    @property
    def documents(self) -> Mapping[str, str]:
        """Path of every document that is indexed, by its id."""
        return {document_id: path for path, document_id in self._ids.items()}

    async def add(self, folder: Path, documents: Iterable[str]) -> None:
        """Index documents of a set, given by their paths in its folder."""
        paths = list(documents)
        for done, path in enumerate(paths):
            self.progress("documents", done, len(paths))
            try:
                accepted = await self.ingestion.add(
                    self.handle,
                    PurePath(path).name,
                    _whole(folder / path),
                    limit_bytes=self.upload_limit_bytes,
                )
                record = await self.ingestion.index(self.handle, accepted.id)
            except InvalidRequest as error:
                self.failed[path] = error.message
                continue
            if record.status != "indexed":
                self.failed[path] = record.reason or "It was not indexed."
            elif record.id in self.documents:
                self.failed[path] = f"It has the same bytes as {self.documents[record.id]}."
            else:
                self._ids[path] = record.id
        self.progress("documents", len(paths), len(paths))

    async def remove(self, documents: Iterable[str]) -> None:
        """Delete documents that were added; others are passed over."""
        for path in documents:
            document_id = self._ids.pop(path, None)
            if document_id is not None:
                await self.ingestion.delete(self.handle, document_id)


async def _whole(path: Path) -> AsyncIterator[bytes]:
    yield await anyio.Path(path).read_bytes()
