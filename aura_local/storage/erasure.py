"""Erasing a tenant: first the key, without which nothing of it can be read, then the files. Layer 1.

What stays: the entries of the audit logs, which hold ids and no names, and backups made earlier, which
keep the key and the data of their day until they are deleted themselves.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

import anyio
import sqlite_utils
from anyio import to_thread

from aura_local.errors import NotFound
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.blobs import ABANDONED_AFTER_S
from aura_local.storage.catalog import Catalog
from aura_local.storage.durable_files import create_private_file, sync_folder
from aura_local.storage.keys import PLATFORM_DATABASE
from aura_local.storage.leases import TenantLeases
from aura_local.storage.sqlite_errors import file_errors_translated
from aura_local.storage.tenant_files import IMPORT_FOLDER, REMOVABLE_MARK


async def erase(
    catalog: Catalog, leases: TenantLeases, tenant_id: str, *, also: AlsoWrite | None = None
) -> None:
    """Erase a tenant with its people, keys, widgets and files; nothing of it can be read on return.

    `also` writes the receipt, in the transaction that deletes the key. Killed in between, the rest is done
    by the next call or the next start (`finish_erasures`). Not cut short by cancellation once begun. Raises
    NotFound; Busy while the tenant is lent, or when another process keeps the log of the platform's file
    (then everything but the last traces is gone: erase it again); StorageUnavailable.
    """
    async with leases.evict(tenant_id):
        folder = leases.folder(tenant_id)
        with anyio.CancelScope(shield=True):
            if not await to_thread.run_sync(_is_marked, folder):
                await catalog.tenant(tenant_id)
                await to_thread.run_sync(_mark, folder)
            with suppress(NotFound):  # killed earlier, between the key and the files
                await catalog.delete_tenant(tenant_id, also=also)
            await _remove_what_is_left(catalog, leases.home, [folder])
    leases.end_quarantine(tenant_id)


async def finish_erasures(catalog: Catalog, home: Path) -> int:
    """Remove what killed erasures and imports left behind; how many folders that were.

    Only marked folders whose tenant the platform's file does not know: a folder without a mark may belong
    to a platform file that somebody is about to put back.
    """
    await to_thread.run_sync(_remove_abandoned_imports, home)
    marked = await to_thread.run_sync(_marked_folders, home)
    if not marked:
        return 0

    def unknown(database: sqlite_utils.Database) -> list[Path]:
        known = {row[0] for row in database.execute("SELECT id FROM tenants").fetchall()}
        for folder in marked:
            if folder.name in known:  # killed before the erasure, or after the import
                (folder / REMOVABLE_MARK).unlink(missing_ok=True)
        return [folder for folder in marked if folder.name not in known]

    # A write transaction: an import in another process makes folder and row in one of its own.
    removable = await catalog.database.write(unknown)
    if removable:
        with anyio.CancelScope(shield=True):
            await _remove_what_is_left(catalog, home, removable)
    return len(removable)


async def _remove_what_is_left(catalog: Catalog, home: Path, folders: list[Path]) -> None:
    await to_thread.run_sync(_empty, home, folders)
    # The mark goes last: as long as it is there, all this is done again.
    await catalog.database.compact()
    await to_thread.run_sync(_remove, home, folders)


def _mark(folder: Path) -> None:
    with file_errors_translated(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_private_file(folder / REMOVABLE_MARK)


def _is_marked(folder: Path) -> bool:
    return (folder / REMOVABLE_MARK).exists()


def _marked_folders(home: Path) -> list[Path]:
    """Empty ones too: the mark goes a moment before its folder."""
    with file_errors_translated(home):
        folders = sorted(home.glob("tenants/*/"))
        return [folder for folder in folders if _is_marked(folder) or not any(folder.iterdir())]


def _remove_abandoned_imports(home: Path) -> None:
    """Encrypted under keys that were never stored; younger ones may be in the making."""
    with file_errors_translated(home):
        for folder in home.glob(f"{IMPORT_FOLDER}/*"):
            if time.time() - folder.stat().st_mtime > ABANDONED_AFTER_S:
                shutil.rmtree(folder)


def _empty(home: Path, folders: list[Path]) -> None:
    with file_errors_translated(home):
        for entry in [entry for folder in folders for entry in folder.iterdir()]:
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != REMOVABLE_MARK:
                entry.unlink()
        # Copies from before an upgrade have the wrapped key too.
        for copy in (
            *home.glob(f"{PLATFORM_DATABASE}.before-*"),
            *home.glob(f"{PLATFORM_DATABASE}.*.partial"),
        ):
            copy.unlink()


def _remove(home: Path, folders: list[Path]) -> None:
    with file_errors_translated(home):
        for folder in folders:
            shutil.rmtree(folder)
        sync_folder(home / "tenants")
        sync_folder(home)
