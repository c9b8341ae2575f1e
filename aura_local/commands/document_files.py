"""The files of a folder that hold documents, and their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from aura_local.errors import DocumentUnreadable
from aura_local.retrieval.readers.media_type import READABLE_SUFFIXES

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_local.retrieval.documents import DocumentRecord
    from aura_local.storage.leases import TenantHandle

T = TypeVar("T")

SUFFIXES: Final = READABLE_SUFFIXES
"""What is taken from folders; a file that is named is always tried."""
CHUNK_BYTES: Final = 1024 * 1024
AT_ONCE: Final = 2
"""Files in work: while the text of one is embedded, the next one is parsed."""


def documents_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The files to read, each once: named ones, and those of known kinds in folders, hidden ones not."""
    seen: set[Path] = set()
    for path in paths:
        found = [path] if path.is_file() else sorted(documents_inside(path))
        for file in found:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def documents_inside(folder: Path) -> Iterator[Path]:
    """Files of known kinds at any depth; hidden ones and those that editors keep beside them not."""
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        passing = (
            file.name.startswith("~$") or file.name.endswith("~") or any(p.startswith(".") for p in parts)
        )
        if not passing and file.suffix.lower() in SUFFIXES and file.is_file():
            yield file


async def accept_file(
    engine: Engine, handle: TenantHandle, file: Path, *, public: bool, source: str | None = None
) -> DocumentRecord:
    """Store a file, as `Ingestion.add`; with `public` for everybody, also where it is there already."""
    record = await engine.ingestion.add(
        handle,
        file.name,
        file_chunks(file),
        limit_bytes=engine.settings.limits.upload_bytes,
        audience="public" if public else "members",
        source=source,
    )
    if public and record.audience != "public":
        return await engine.ingestion.set_labels(handle, record.id, audience="public", sensitivity="public")
    return record


async def file_chunks(file: Path) -> AsyncIterator[bytes]:
    """The bytes of a file. Raises `DocumentUnreadable` where the system does not give them."""
    import anyio

    try:
        async with await anyio.open_file(file, "rb") as source:
            while chunk := await source.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise DocumentUnreadable(f"The file cannot be read: {error.strerror}.") from error


async def file_sha256(file: Path) -> str:
    """Of its bytes, hexadecimal. Raises `DocumentUnreadable` as `file_chunks`."""
    import anyio.to_thread

    def digest() -> str:
        with file.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()

    try:
        return await anyio.to_thread.run_sync(digest)
    except OSError as error:
        raise DocumentUnreadable(f"The file cannot be read: {error.strerror}.") from error


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Do `work` for every item, `AT_ONCE` of them together, begun in order."""
    import anyio

    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(worker)
