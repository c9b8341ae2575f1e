"""New keys for old: the master key, or the key of one tenant. Layer 1.

The old key opens nothing afterwards, and whoever copied the folder earlier has nothing but that copy.
Killed at any point, everything opens with the one key or with the other, and the next start finishes it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import anyio
import sqlite_utils
from anyio import to_thread

from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.catalog import Catalog
from aura_local.storage.database_copies import connected, copy_to, give_key, leave_log, take_alone
from aura_local.storage.durable_files import sync_file, sync_folder
from aura_local.storage.folder_lock import use_folder
from aura_local.storage.keys import PLATFORM_DATABASE, MasterKey, new_tenant_key, pending_path, settled
from aura_local.storage.leases import TenantLeases
from aura_local.storage.progress import Progress, unobserved
from aura_local.storage.sealed_key import SEALED_FILE, load_or_create_sealed, seal_next
from aura_local.storage.tenant_files import (
    BLOB_FOLDER,
    DRAFT_DATABASE,
    TENANT_DATABASE,
    copy_blobs,
    finish_replacement,
    prepare_replacement,
)

_NEW_PLATFORM_FILE: Final = f"{PLATFORM_DATABASE}.next"


async def rotate_master_in_file(home: Path, key_file: Path, *, also: AlsoWrite | None = None) -> MasterKey:
    """A new master key in `key_file`. Needs the data folder alone: raises Busy while it is in use.

    Raises KeyUnavailable, StorageDamaged, StorageFull; then the old key is still the master key.
    """

    def rotate() -> MasterKey:
        with use_folder(home, alone=True):
            old, new = MasterKey.load_or_create(key_file, data_folder=home), MasterKey.new()
            pending_path(key_file).unlink(missing_ok=True)
            new.store(pending_path(key_file), data_folder=home)
            _rewrite(home, old, new, also)
            return settled(key_file, home / PLATFORM_DATABASE, lambda _: new)

    return await to_thread.run_sync(rotate)


async def rotate_master_sealed(home: Path, passphrase: str, *, also: AlsoWrite | None = None) -> MasterKey:
    """A new master key behind the same passphrase; otherwise like `rotate_master_in_file`."""

    def rotate() -> MasterKey:
        with use_folder(home, alone=True):
            old, new = load_or_create_sealed(home, passphrase), MasterKey.new()
            seal_next(home, new, passphrase)
            _rewrite(home, old, new, also)
            return settled(home / SEALED_FILE, home / PLATFORM_DATABASE, lambda _: new)

    return await to_thread.run_sync(rotate)


async def rotate_master(home: Path, old: MasterKey, new: MasterKey, *, also: AlsoWrite | None = None) -> None:
    """Encrypt the platform's file, and every tenant key in it, under `new`. Tenant files stay as they are.

    The caller has stored `new` durably before. One rename is the moment of the change: killed before it,
    `old` opens everything, after it `new`. `also` gets the new file and the word `platform`. Raises Busy
    while the data folder is in use, KeyUnavailable for a wrong `old`, StorageDamaged, StorageFull.
    """

    def rotate() -> None:
        with use_folder(home, alone=True):
            _rewrite(home, old, new, also)

    await to_thread.run_sync(rotate)


def _rewrite(home: Path, old: MasterKey, new: MasterKey, also: AlsoWrite | None) -> None:
    current, draft = home / PLATFORM_DATABASE, home / _NEW_PLATFORM_FILE
    for leftover in home.glob(f"{_NEW_PLATFORM_FILE}*"):
        leftover.unlink()
    try:
        with connected(current, old.derive("platform")) as connection:
            leave_log(connection)
            copy_to(connection, draft)
        give_key(draft, old.derive("platform"), new.derive("platform"))
        with connected(draft, new.derive("platform")) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for tenant_id, wrapped in connection.execute("SELECT id, wrapped_key FROM tenants").fetchall():
                connection.execute(
                    "UPDATE tenants SET wrapped_key = ? WHERE id = ?",
                    (new.wrap(tenant_id, old.unwrap(tenant_id, wrapped)), tenant_id),
                )
            if also is not None:
                also(sqlite_utils.Database(connection, execute_plugins=False), "platform")
            connection.execute("COMMIT")
            # Copies that rows left behind where they moved between pages would keep the old wrapping.
            connection.execute("VACUUM")
        sync_file(draft)
        draft.replace(current)
        sync_folder(home)
    finally:
        draft.unlink(missing_ok=True)
    for copy in home.glob(f"{PLATFORM_DATABASE}.before-*"):
        copy.unlink()


async def rotate_tenant(
    catalog: Catalog,
    leases: TenantLeases,
    tenant_id: str,
    *,
    also: AlsoWrite | None = None,
    progress: Progress = unobserved,
) -> None:
    """A new key for the tenant's database and blobs. `progress` counts blobs.

    The tenant is evicted meanwhile and needs its space twice. Raises NotFound, Busy while it is lent here
    or open in another process, StorageDamaged for a blob that does not open, StorageFull; then the old key
    still holds.
    """
    old_key, new_key = await catalog.tenant_key(tenant_id), new_tenant_key()
    async with leases.lease(tenant_id, even_suspended=True):
        pass  # opens it once: it exists, it is sound, and its tables are of this version
    async with leases.evict(tenant_id), AsyncExitStack() as stack:
        folder = leases.folder(tenant_id)
        waiting = await to_thread.run_sync(prepare_replacement, folder, old_key)
        database = connected(folder / TENANT_DATABASE, old_key)
        connection = await to_thread.run_sync(database.__enter__)
        stack.push(database.__exit__)
        await to_thread.run_sync(_copy_database, connection, waiting / TENANT_DATABASE, old_key, new_key)
        await copy_blobs(
            folder / BLOB_FOLDER,
            leases.blob_store(folder, old_key),
            leases.blob_store(waiting, new_key),
            progress,
        )
        with anyio.CancelScope(shield=True):
            await catalog.replace_tenant_key(tenant_id, new_key, also=also)
            await to_thread.run_sync(finish_replacement, folder, new_key)
    with anyio.CancelScope(shield=True):
        await catalog.forget_former_keys()


def _copy_database(connection: Any, target: Path, old_key: bytes, new_key: bytes) -> None:
    # What another process wrote after the copy would be lost.
    take_alone(connection)
    draft = target.with_name(DRAFT_DATABASE)
    copy_to(connection, draft)
    give_key(draft, old_key, new_key)
    draft.rename(target)
    sync_folder(target.parent)
