"""Finds the tenant that a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aura_local.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from aura_local.storage.catalog import Catalog, Tenant


async def find_tenant(catalog: Catalog, name: str | None) -> Tenant:
    """The tenant called `name`, or the only one there is.

    Raises `NotFound` where there is none, `InvalidRequest` where a name is needed.
    """
    tenants = await catalog.tenants()
    if not tenants:
        raise NotFound("There is no tenant yet; create one with: aura tenant create NAME")
    if name is None:
        if len(tenants) > 1:
            raise InvalidRequest(
                "There are several tenants: choose one with --tenant NAME (aura tenant list shows them)."
            )
        return tenants[0]
    try:
        return await catalog.tenant_by_name(name)
    except NotFound:
        raise NotFound("There is no tenant of that name; aura tenant list shows those there are.") from None
