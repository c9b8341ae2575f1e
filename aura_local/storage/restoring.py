"""Putting a backup back: the whole data folder, or one tenant. Layer 1.

Everything is verified on a copy beside the data before anything of the data is touched.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio import from_thread, to_thread

from aura_local.errors import Conflict, NotFound, StorageDamaged
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.backup_manifest import BackupManifest, copy_verified, sync_tree
from aura_local.storage.backups import tenant_keys
from aura_local.storage.catalog import Catalog
from aura_local.storage.database_copies import check, give_key
from aura_local.storage.durable_files import create_private_file, make_private_folder, sync_folder
from aura_local.storage.folder_lock import use_folder
from aura_local.storage.keys import PLATFORM_DATABASE, MasterKey, new_tenant_key
from aura_local.storage.leases import TenantLeases
from aura_local.storage.progress import Progress, unobserved
from aura_local.storage.sqlite_errors import file_errors_translated
from aura_local.storage.tenant_files import (
    BLOB_FOLDER,
    TENANT_DATABASE,
    copy_blobs,
    finish_replacement,
    prepare_replacement,
    tenant_folder,
)

_RESTORING: Final = "restoring"
_VERIFIED: Final = "verified"
"""Mark in `restoring`: all of it may be put in place, and has to be."""
_PARTS: Final = (PLATFORM_DATABASE, "tenants", "master.sealed", "aura.toml")


async def restore(
    source: Path, home: Path, master_key: MasterKey, *, replace: bool = False, progress: Progress = unobserved
) -> BackupManifest:
    """Make `home` what it was when the backup `source` was made. `progress` counts files.

    `master_key` is that of the backup (`load_or_create_sealed(source, passphrase)` where it lies sealed in
    it). What is there now is removed, and only if `replace` says so: make a backup of it first. Needs
    room for both. Killed in between, the next start has the old data or finishes the restoration.

    Raises Conflict where there is data already, Busy while the folder is in use, KeyUnavailable for another
    master key, StorageDamaged for a damaged backup, StorageFull; then nothing has changed.
    """
    return await to_thread.run_sync(_restore, source, home, master_key, replace, progress)


def finish_restore(home: Path) -> None:
    """Finish a restoration that was cut short, or remove what it had copied before it was verified.

    Blocks. Raises Busy while the folder is in use by others, StorageUnavailable.
    """
    if (home / _RESTORING).is_dir():
        with use_folder(home, alone=True), file_errors_translated(home):
            _finish(home)


def _restore(
    source: Path, home: Path, master_key: MasterKey, replace: bool, progress: Progress
) -> BackupManifest:
    manifest = BackupManifest.read(source)
    with use_folder(home, alone=True), file_errors_translated(home):
        _finish(home)
        if (home / PLATFORM_DATABASE).exists() and not replace:
            raise Conflict(f"There is data in {home}: say that it may be replaced, or name an empty folder.")
        staged = home / _RESTORING
        try:
            make_private_folder(staged / "tenants")
            for count, file in enumerate(manifest.files):
                from_thread.run_sync(progress, count, len(manifest.files))
                copy_verified(source, file, staged / file.name)
            _verify(staged, manifest, master_key)
            sync_tree(staged)
            create_private_file(staged / _VERIFIED)
        finally:
            _finish(home)
        from_thread.run_sync(progress, len(manifest.files), len(manifest.files))
    return manifest


def _verify(staged: Path, manifest: BackupManifest, master_key: MasterKey) -> None:
    """Open every database of the copy. Raises StorageDamaged, KeyUnavailable."""
    keys = tenant_keys(staged / PLATFORM_DATABASE, master_key)
    check(staged / PLATFORM_DATABASE, master_key.derive("platform"))
    if set(manifest.tenant_ids()) | set(manifest.left_out) != keys.keys():
        raise StorageDamaged("The backup is damaged: it does not have the tenants that it says.")
    for tenant_id in manifest.tenant_ids():
        check(tenant_folder(staged, tenant_id) / TENANT_DATABASE, keys[tenant_id])


def _finish(home: Path) -> None:
    staged = home / _RESTORING
    if (staged / _VERIFIED).exists():
        for name in _PARTS:
            if (staged / name).exists():
                _remove(home / name)
                if name == PLATFORM_DATABASE:  # its log, and copies from before an upgrade
                    for leftover in home.glob(f"{name}?*"):
                        leftover.unlink()
                (staged / name).rename(home / name)
                sync_folder(home)
    if staged.is_dir():
        # The mark goes with the folder; by now it holds nothing else that matters.
        shutil.rmtree(staged)
        sync_folder(home)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


async def restore_tenant(
    source: Path,
    catalog: Catalog,
    leases: TenantLeases,
    master_key: MasterKey,
    tenant_id: str,
    *,
    also: AlsoWrite | None = None,
    progress: Progress = unobserved,
) -> None:
    """Put one tenant's database and blobs back from a backup, under a new key; it leaves quarantine.

    Its people, API keys and settings are the platform's and stay as they are. `progress` counts blobs.
    Raises NotFound for a tenant that is not here or not in the backup, KeyUnavailable for a backup of
    another master key, StorageDamaged, StorageFull, Busy; then nothing has changed.
    """
    old_key, new_key = await catalog.tenant_key(tenant_id), new_tenant_key()
    async with leases.evict(tenant_id):
        folder = leases.folder(tenant_id)
        await to_thread.run_sync(partial(make_private_folder, folder))
        waiting = await to_thread.run_sync(prepare_replacement, folder, old_key)
        backup_key = await to_thread.run_sync(_stage_tenant, source, waiting, tenant_id, master_key, new_key)
        copies = waiting / _RESTORING
        await copy_blobs(
            copies / BLOB_FOLDER,
            leases.blob_store(copies, backup_key),
            leases.blob_store(waiting, new_key),
            progress,
        )
        await to_thread.run_sync(shutil.rmtree, copies)
        with anyio.CancelScope(shield=True):
            await catalog.replace_tenant_key(tenant_id, new_key, also=also)
            await to_thread.run_sync(finish_replacement, folder, new_key)
            leases.end_quarantine(tenant_id)
    with anyio.CancelScope(shield=True):
        await catalog.forget_former_keys()


def _stage_tenant(
    source: Path, waiting: Path, tenant_id: str, master_key: MasterKey, new_key: bytes
) -> bytes:
    """Copy a tenant out of a backup: its database into `waiting` under `new_key`, its blobs beside it as
    they are; the key that these have."""
    manifest = BackupManifest.read(source)
    files = manifest.of_tenant(tenant_id)
    if tenant_id not in manifest.tenant_ids():
        raise NotFound(f"Tenant {tenant_id} is not in this backup.")
    copies = waiting / _RESTORING
    with file_errors_translated(waiting):
        platform = next(file for file in manifest.files if file.name == PLATFORM_DATABASE)
        copy_verified(source, platform, copies / PLATFORM_DATABASE)
        keys = tenant_keys(copies / PLATFORM_DATABASE, master_key)
        if tenant_id not in keys:
            raise StorageDamaged("The backup is damaged: it does not have the tenants that it says.")
        for file in files:
            copy_verified(source, file, copies / Path(file.name).relative_to("tenants", tenant_id))
        make_private_folder(copies / BLOB_FOLDER)
        check(copies / TENANT_DATABASE, keys[tenant_id])
        give_key(copies / TENANT_DATABASE, keys[tenant_id], new_key)
        # Only now: before, the recorded key may open it, and what it opens there counts as complete.
        (copies / TENANT_DATABASE).rename(waiting / TENANT_DATABASE)
        sync_folder(waiting)
    return keys[tenant_id]
