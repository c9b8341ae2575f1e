"""How far documents are that are being indexed, and who waits for news of them. Layer 2.

In memory alone: every step of an indexing run would otherwise be a write to the disk. What a crash takes
away, the next run of the same document makes again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import anyio

from aura_local.errors import TooManySessions

WATCHERS_PER_TENANT: Final = 16
"""Streams of news that a tenant may have open."""


@dataclass(frozen=True, slots=True)
class IndexingProgress:
    """How far one indexing run is."""

    stage: Literal["parsing", "embedding"]
    pages: int | None = None
    """Pages read; None until the file has been read, and where its kind has none."""
    passages_done: int = 0
    passages_total: int | None = None
    """None until the text has been cut."""


class DocumentWatch:
    """Collects the ids of a tenant's documents that have changed, until they are asked for."""

    def __init__(self) -> None:
        self._changed: set[str] = set()
        self._news = anyio.Event()

    def note(self, document_id: str) -> None:
        self._changed.add(document_id)
        self._news.set()

    async def wait(self) -> frozenset[str]:
        """Ids of documents that have changed since the last call, deleted ones included; at least one."""
        await self._news.wait()
        changed, self._changed, self._news = frozenset(self._changed), set(), anyio.Event()
        return changed


class DocumentProgress:
    """Progress and news of the documents of all tenants; for the event loop's thread alone."""

    def __init__(self) -> None:
        self._progress: dict[tuple[str, str], IndexingProgress] = {}
        self._watches: defaultdict[str, list[DocumentWatch]] = defaultdict(list)

    def of(self, tenant_id: str, document_id: str) -> IndexingProgress | None:
        """None unless the document is being indexed in this process."""
        return self._progress.get((tenant_id, document_id))

    def report(self, tenant_id: str, document_id: str, progress: IndexingProgress) -> None:
        self._progress[tenant_id, document_id] = progress
        self.changed(tenant_id, document_id)

    def end(self, tenant_id: str, document_id: str) -> None:
        """The run is over, whatever became of it."""
        self._progress.pop((tenant_id, document_id), None)
        self.changed(tenant_id, document_id)

    def changed(self, tenant_id: str, document_id: str) -> None:
        """Something about a document is different: its row, its progress, or that it is there."""
        for watch in self._watches.get(tenant_id, ()):
            watch.note(document_id)

    @contextmanager
    def watch(self, tenant_id: str) -> Iterator[DocumentWatch]:
        """News of a tenant's documents inside the block. Raises `TooManySessions`."""
        watches = self._watches[tenant_id]
        if len(watches) >= WATCHERS_PER_TENANT:
            raise TooManySessions("Too many streams of document events are open; close one or try later.")
        watch = DocumentWatch()
        watches.append(watch)
        try:
            yield watch
        finally:
            watches.remove(watch)
            if not watches:
                self._watches.pop(tenant_id, None)
