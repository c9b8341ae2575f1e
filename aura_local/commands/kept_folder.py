"""A folder whose documents a tenant has: what is added, changed and removed there is so here. Layer 5.

Folder and tenant are compared as a whole, at the start and whenever something in the folder changes. Which
change it was does not matter then: an editor that saves by renaming another file, a folder that is moved in,
and news that the system has dropped all end in the same comparison.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import anyio
import anyio.to_thread

from aura_local.accounts.principal import operator
from aura_local.commands.document_files import accept_file, documents_inside, file_sha256, for_each
from aura_local.errors import AuraError, InvalidRequest, NotFound, UnreadableInput

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_local.retrieval.documents import DocumentRecord
    from aura_local.storage.leases import TenantHandle

SOURCE: Final = "folder:"
"""Before the path in a document's `source`."""
QUIET_MS: Final = 500
"""After so long without news the watching looks whether it is to stop."""
COMPARE_AFTER_QUIET: Final = 120
"""Times of quiet after which folders are compared all the same: network shares tell no news."""

_Stamp: TypeAlias = tuple[int, int]
"""Time of the last change (nanoseconds) and size (bytes) of a file."""


@dataclass(frozen=True, slots=True)
class FolderNews:
    """What has become of one file."""

    path: Path
    outcome: Literal["indexed", "failed", "removed", "kept"]
    """`kept`: it is gone with everything else, which looks like a disk that is not there."""
    passages: int = 0
    reason: str | None = None


class KeptFolder:
    """One folder and its documents in one tenant."""

    def __init__(
        self,
        folder: Path,
        *,
        engine: Engine,
        handle: TenantHandle,
        public: bool,
        tell: Callable[[FolderNews], None],
    ) -> None:
        """`public`: visitors may find its documents. `tell` hears of everything that is done."""
        self._folder = folder.resolve()
        self._engine = engine
        self._handle = handle
        self._public = public
        self._tell = tell
        self._in_step: dict[str, _Stamp] = {}
        """By source: how the file looked when it was last taken in."""

    async def compare(self, *, first: bool = False) -> None:
        """Take in what is new or different in the folder, and delete what is not there any more.

        `first`: with nothing at all in the folder, nothing is deleted. Raises `InvalidRequest` where the
        folder is not there, and what is no document's fault, as `Ingestion.index`.
        """
        files = await anyio.to_thread.run_sync(self._files)
        records = await self._engine.ingestion.list(self._handle)
        beginning = self._source(self._folder / "x").removesuffix("x")
        kept = {one.source: one for one in records if one.source and one.source.startswith(beginning)}
        gone = [record for source, record in kept.items() if source not in files]
        empty = first and not await anyio.to_thread.run_sync(lambda: any(self._folder.iterdir()))
        for record in gone:
            path = Path((record.source or "").removeprefix(SOURCE))
            if empty:
                self._tell(FolderNews(path, "kept", reason="the folder is empty; is its disk there?"))
            else:
                await self._remove(record, path)
        changed = [(source, path) for source, path in files.items() if self._looks_new(source, path)]

        async def take(found: tuple[str, Path]) -> None:
            await self._take(*found, kept.get(found[0]))

        await for_each(changed, take)

    def _files(self) -> dict[str, Path]:
        if not self._folder.is_dir():
            raise InvalidRequest("The folder is not there any more.")
        return {self._source(path): path for path in sorted(documents_inside(self._folder))}

    def _looks_new(self, source: str, path: Path) -> bool:
        return self._in_step.get(source) != _stamp(path)

    async def _take(self, source: str, path: Path, record: DocumentRecord | None) -> None:
        stamp = _stamp(path)
        ingestion, handle = self._engine.ingestion, self._handle
        try:
            if record is None or not await self._is_in_step(record, path):
                record = await accept_file(self._engine, handle, path, public=self._public, source=source)
                if stamp is None or _stamp(path) != stamp:
                    return  # still being written, or gone: news of it follows
                record = await ingestion.index(handle, record.id)
                indexed = record.status == "indexed"
                outcome: Literal["indexed", "failed"] = "indexed" if indexed else "failed"
                passages = (record.passage_count or 0) if indexed else 0
                self._tell(FolderNews(path, outcome, passages, record.reason))
        except (InvalidRequest, UnreadableInput) as error:
            self._tell(FolderNews(path, "failed", reason=error.message))
        except NotFound:
            return  # deleted by somebody else meanwhile: it is taken in anew next time
        except AuraError as error:
            if not error.retryable:
                raise
            self._tell(FolderNews(path, "failed", reason=f"{error.message} It is tried again."))
            return
        if stamp is not None:
            self._in_step[source] = stamp

    async def _is_in_step(self, record: DocumentRecord, path: Path) -> bool:
        published = record.audience == "public" or not self._public
        return record.status == "indexed" and published and record.sha256 == await file_sha256(path)

    async def _remove(self, record: DocumentRecord, path: Path) -> None:
        log = self._engine.audit_log(self._handle.id)
        await log.append(operator(self._handle.id).subject, "document.deleted", record.id)
        try:
            await self._engine.ingestion.delete(self._handle, record.id)
        except NotFound:
            return
        self._in_step.pop(record.source or "", None)
        self._tell(FolderNews(path, "removed"))

    def _source(self, path: Path) -> str:
        # Names of files are bytes, and need not be text.
        return SOURCE + os.fsencode(path).decode("utf-8", "backslashreplace")


async def follow(folders: dict[Path, KeptFolder], stop: anyio.Event) -> None:
    """Keep folders (by their paths) in step until `stop` is set, or the call is cancelled."""
    from watchfiles import awatch

    for kept in folders.values():
        await kept.compare(first=True)
    quiet = COMPARE_AFTER_QUIET - 1  # what happened before the watching began is looked for at once
    async for changes in awatch(
        *folders, watch_filter=None, stop_event=stop, yield_on_timeout=True, rust_timeout=QUIET_MS
    ):
        quiet = 0 if changes else quiet + 1
        if changes or quiet == COMPARE_AFTER_QUIET:
            quiet = 0
            for kept in folders.values():
                await kept.compare()


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
