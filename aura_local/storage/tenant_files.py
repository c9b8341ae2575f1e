"""The files of a tenant's folder, and how all of them are replaced at once. Layer 1.

Another key, or a restored backup, means a new database and new blobs together. They are prepared in a
folder `next` under a key that nothing has used before. Recording that key in the platform's file is the
moment of the change: before it `next` is rubbish, after it the old files are. Whoever opens the tenant
can tell by trying the key, so a crash at any point leaves the one or the other.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from anyio import to_thread

from aura_local.errors import StorageDamaged
from aura_local.storage.blobs import BlobStore
from aura_local.storage.durable_files import make_private_folder, sync_folder
from aura_local.storage.keys import PAGE_BYTES, key_fits
from aura_local.storage.progress import Progress

TENANT_DATABASE: Final = "tenant.sqlite"
BLOB_FOLDER: Final = "blobs"
BLOB_NAME: Final = re.compile(r"[0-9a-f]{64}")
DRAFT_DATABASE: Final = "draft.sqlite"
"""In `next`, as long as it may still be under the recorded key: that key must not open `next`."""
NEXT_FOLDER: Final = "next"
IMPORT_FOLDER: Final = "imports"
"""In the data folder: tenants being made from an archive, each in a folder like its later one."""
REMOVABLE_MARK: Final = "removable"
"""In a folder that may be removed if its tenant is not in the platform's file: being made, or erased."""


def tenant_folder(home: Path, tenant_id: str) -> Path:
    """Where the files of a tenant are."""
    return home / "tenants" / tenant_id


def finish_replacement(folder: Path, key: bytes) -> None:
    """Put the files in `next` in place if `key`, the tenant's recorded key, opens them; else remove them.

    Idempotent, and safe to be cut short. The tenant must be closed. Raises StorageDamaged, leaving
    everything as it is, if the key opens neither the old database nor the new one.
    """
    waiting = folder / NEXT_FOLDER
    if not waiting.is_dir():
        return
    if _opens(waiting / TENANT_DATABASE, key):
        _put_in_place(folder, waiting)
    elif _is_of_another_key(folder / TENANT_DATABASE, key):
        raise StorageDamaged("Neither the database nor its prepared replacement opens.")
    shutil.rmtree(waiting)
    sync_folder(folder)


def prepare_replacement(folder: Path, key: bytes) -> Path:
    """An empty folder `next` with an empty folder for blobs, after finishing what was begun before.

    `key` is the tenant's recorded key. The tenant must be closed.
    """
    waiting = folder / NEXT_FOLDER
    if _opens(waiting / TENANT_DATABASE, key):
        finish_replacement(folder, key)
    if waiting.is_dir():
        shutil.rmtree(waiting)
    make_private_folder(waiting / BLOB_FOLDER)
    return waiting


def blob_paths(folder: Path) -> list[Path]:
    """The finished blobs below a blob folder, in the order of their names."""
    return sorted(path for path in folder.glob("??/*") if BLOB_NAME.fullmatch(path.name))


async def copy_blobs(folder: Path, source: BlobStore, target: BlobStore, progress: Progress) -> None:
    """Put every blob of `source`, which lies in `folder`, into `target`. `progress` counts blobs.

    Raises StorageDamaged for a blob that does not open, StorageFull, StorageUnavailable.
    """
    names = [path.name for path in await to_thread.run_sync(blob_paths, folder)]
    for count, name in enumerate(names):
        progress(count, len(names))
        content = await source.read(name)
        await target.put(_whole(content), limit_bytes=len(content))
    progress(len(names), len(names))


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _opens(database: Path, key: bytes) -> bool:
    return database.exists() and key_fits(database, key)


def _is_of_another_key(database: Path, key: bytes) -> bool:
    # A new database may still be in its log as a whole; then there is no page to tell by.
    return database.exists() and database.stat().st_size >= 2 * PAGE_BYTES and not key_fits(database, key)


def _put_in_place(folder: Path, waiting: Path) -> None:
    if (waiting / BLOB_FOLDER).is_dir():
        shutil.rmtree(folder / BLOB_FOLDER, ignore_errors=True)
        (waiting / BLOB_FOLDER).rename(folder / BLOB_FOLDER)
    # Logs and copies of the old database: a log beside another database would be applied to it.
    for leftover in folder.glob(f"{TENANT_DATABASE}?*"):
        leftover.unlink()
    sync_folder(folder)
    # The last step: as long as the new database is in `next`, all this is done again.
    (waiting / TENANT_DATABASE).replace(folder / TENANT_DATABASE)
    sync_folder(folder)
