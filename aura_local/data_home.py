"""Opens the data folder: the platform file and the tenants, without any engine. Layer 4."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.to_thread

from aura_local.errors import StorageUnavailable

if TYPE_CHECKING:
    from aura_local.settings import Settings
    from aura_local.storage.catalog import Catalog
    from aura_local.storage.leases import TenantLeases


@dataclass(frozen=True, slots=True)
class DataHome:
    catalog: Catalog
    leases: TenantLeases


@asynccontextmanager
async def open_data_home(settings: Settings) -> AsyncIterator[DataHome]:
    """Storage alone, created where it does not exist yet. Raises `KeyUnavailable`, `StorageUnavailable`."""
    from aura_local.retrieval.vector_index import open_index
    from aura_local.storage.catalog import Catalog
    from aura_local.storage.keys import MasterKey
    from aura_local.storage.leases import TenantLeases

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
        yield DataHome(catalog, leases)
