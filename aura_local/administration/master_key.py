"""The master key changed, or kept in another way; each entered in the platform's audit log. Layer 3.

The acts that only move the key are entered before they begin: the log cannot be written in the same
transaction as a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import to_thread

from aura_local.accounts.permissions import authorize
from aura_local.accounts.principal import Principal
from aura_local.audit.chain import PLATFORM, AuditLog, entry

if TYPE_CHECKING:
    from pathlib import Path

    from aura_local.storage.catalog import Catalog


async def rotate_master(actor: Principal, home: Path, key_file: Path, *, passphrase: str | None) -> None:
    """A new master key in `key_file`, or with `passphrase` sealed in the data folder. Needs the folder alone.

    Raises like `storage.key_rotation.rotate_master_in_file`.
    """
    from aura_local.storage.key_rotation import rotate_master_in_file, rotate_master_sealed

    authorize(actor, "platform.manage")
    also = entry(PLATFORM, actor.subject, "master.rotated")
    if passphrase is None:
        await rotate_master_in_file(home, key_file, also=also)
    else:
        await rotate_master_sealed(home, passphrase, also=also)


async def seal(actor: Principal, catalog: Catalog, home: Path, key_file: Path, passphrase: str) -> None:
    """From the key file to a passphrase; the file is removed. Raises like `seal_key_file`."""
    from aura_local.storage.sealed_key import seal_key_file

    await _record(actor, catalog, master_key_source="passphrase")
    await to_thread.run_sync(seal_key_file, key_file, home, passphrase)


async def unseal(actor: Principal, catalog: Catalog, home: Path, key_file: Path, passphrase: str) -> None:
    """From the passphrase to a key file. Raises like `unseal_to_file`."""
    from aura_local.storage.sealed_key import unseal_to_file

    await _record(actor, catalog, master_key_source="file")
    await to_thread.run_sync(unseal_to_file, home, key_file, passphrase)


async def change_passphrase(actor: Principal, catalog: Catalog, home: Path, old: str, new: str) -> None:
    """The same key behind another passphrase. Raises like `sealed_key.change_passphrase`."""
    from aura_local.storage import sealed_key

    await _record(actor, catalog, passphrase="changed")  # noqa: S106 - a word for the log
    await to_thread.run_sync(sealed_key.change_passphrase, home, old, new)


async def _record(actor: Principal, catalog: Catalog, **details: object) -> None:
    authorize(actor, "platform.manage")
    await AuditLog(catalog.database).append(actor.subject, "policy.changed", PLATFORM, **details)
