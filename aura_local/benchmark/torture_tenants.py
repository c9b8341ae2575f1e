"""Tenants in a data folder, made before a server runs on it. Layer 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aura_local.accounts.permissions import ROLES
from aura_local.accounts.principal import operator
from aura_local.benchmark.restarting_server import settings_of
from aura_local.data_home import open_data_home

KEY_LABEL: Final = "torture"


@dataclass(frozen=True, slots=True)
class TenantAccess:
    """A tenant and a key that may do everything that keys can."""

    id: str
    name: str
    key_id: str
    key: str = field(repr=False)


async def make_tenants(folder: Path, names: Sequence[str], *, opened: bool = True) -> list[TenantAccess]:
    """Make tenants in the data folder of `RestartingServer`; their files too where they are `opened`."""
    made = []
    async with open_data_home(settings_of(folder)) as data:
        for name in names:
            tenant = await data.administration.tenants.create(operator(), name)
            issued = await data.administration.keys.create(
                operator(tenant.id), KEY_LABEL, scopes=frozenset(ROLES["service"])
            )
            made.append(TenantAccess(tenant.id, name, issued.id, issued.key))
            if opened:
                async with data.leases.lease(tenant.id):
                    pass
    return made
