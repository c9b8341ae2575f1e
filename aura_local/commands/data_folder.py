"""Opens the data folder without any engine, for the commands that need none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.to_thread

from aura_local.errors import StorageUnavailable

if TYPE_CHECKING:
    from aura_local.settings import LoadedSettings
    from aura_local.storage.catalog import Catalog
    from aura_local.storage.leases import TenantLeases


@dataclass(frozen=True, slots=True)
class DataFolder:
    catalog: Catalog
    leases: TenantLeases


@asynccontextmanager
async def open_data_folder(loaded: LoadedSettings) -> AsyncIterator[DataFolder]:
    """Storage alone, created where it does not exist yet. Raises `KeyUnavailable`, `StorageUnavailable`."""
    from aura_local.retrieval.vector_index import open_index
    from aura_local.storage.catalog import Catalog
    from aura_local.storage.keys import MasterKey
    from aura_local.storage.leases import TenantLeases

    settings = loaded.values
    async with AsyncExitStack() as stack:
        try:
            settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageUnavailable(
                f"The data folder {settings.home} cannot be used: {error.strerror}."
            ) from error
        master_key = await anyio.to_thread.run_sync(
            lambda: MasterKey.load_or_create(settings.master_key_file, data_folder=settings.home)
        )
        catalog = await Catalog.open(settings.home, master_key)
        stack.push_async_callback(catalog.close)
        leases = TenantLeases(
            home=settings.home,
            catalog=catalog,
            open_index=open_index,
            capacity=settings.limits.open_tenants,
            reserve_bytes=settings.limits.disk_reserve_bytes,
        )
        stack.push_async_callback(leases.close)
        yield DataFolder(catalog, leases)
