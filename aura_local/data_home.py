"""Opens the data folder: the platform file and the tenants, without any engine. Layer 4."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from anyio import to_thread

from aura_local.administration.accounts import Accounts
from aura_local.administration.desk import Administration
from aura_local.errors import KeyUnavailable

if TYPE_CHECKING:
    from aura_local.settings import Settings
    from aura_local.storage.catalog import Catalog
    from aura_local.storage.keys import MasterKey
    from aura_local.storage.leases import TenantLeases


AskPassphrase: TypeAlias = Callable[[], str]
"""Where the passphrase of the master key is had from: `aura_local.passphrase`."""


@dataclass(frozen=True, slots=True)
class DataHome:
    catalog: Catalog
    leases: TenantLeases
    master_key: MasterKey
    accounts: Accounts
    administration: Administration


@asynccontextmanager
async def open_data_home(
    settings: Settings, passphrase: AskPassphrase | None = None, *, alone: bool = False
) -> AsyncIterator[DataHome]:
    """Storage alone, created where it does not exist yet, after finishing what a killed process began.

    `passphrase` is asked, in a thread, only where `master_key_source` is `passphrase`. `alone`: no other
    process may have the folder open; for commands that erase tenants or replace their files. Raises
    `KeyUnavailable`, `StorageUnavailable`, and `Busy` where the folder is needed alone, here or there.
    """
    from aura_local.retrieval.index_choice import index_opener
    from aura_local.storage.catalog import Catalog
    from aura_local.storage.erasure import finish_erasures
    from aura_local.storage.folder_lock import use_folder
    from aura_local.storage.leases import TenantLeases
    from aura_local.storage.restoring import finish_restore

    async with AsyncExitStack() as stack:
        await to_thread.run_sync(finish_restore, settings.home)
        stack.enter_context(use_folder(settings.home, alone=alone))
        master_key = await to_thread.run_sync(load_master_key, settings, passphrase)
        catalog = await Catalog.open(settings.home, master_key)
        stack.push_async_callback(catalog.close)
        await finish_erasures(catalog, settings.home)
        leases = TenantLeases(
            home=settings.home,
            catalog=catalog,
            open_index=index_opener(settings.retrieval.index_location),
            capacity=settings.limits.open_tenants,
            reserve_bytes=settings.limits.disk_reserve_bytes,
        )
        stack.push_async_callback(leases.close)
        accounts = Accounts.over(catalog.database, settings.credentials)
        administration = Administration.over(accounts, catalog, leases, master_key, settings.tiers)
        yield DataHome(catalog, leases, master_key, accounts, administration)


def load_master_key(settings: Settings, passphrase: AskPassphrase | None = None) -> MasterKey:
    """The master key from where the settings say, made on the very first start. Blocks.

    Raises `KeyUnavailable`, and `InvalidRequest` for a first passphrase that is too short.
    """
    from aura_local.storage.keys import MasterKey
    from aura_local.storage.sealed_key import load_or_create_sealed

    if settings.master_key_source == "file":
        return MasterKey.load_or_create(settings.master_key_file, data_folder=settings.home)
    if passphrase is None:
        raise KeyUnavailable(
            "The master key is behind a passphrase: set AURA_PASSPHRASE_FILE to a file that holds it, or "
            "start AURA Local at a terminal that can ask for it."
        )
    return load_or_create_sealed(settings.home, passphrase())
