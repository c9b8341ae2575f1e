"""`aura reindex`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.options import HomeOption, JsonOption, TenantOption
from aura_local.commands.output import print_json, progress_console
from aura_local.commands.panels import DOCUMENTS
from aura_local.commands.running import run_command
from aura_local.errors import InvalidRequest

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    application.command("reindex", rich_help_panel=DOCUMENTS)(reindex)


def reindex(
    tenant: TenantOption = None,
    every: Annotated[bool, typer.Option("--all", help="Rebuild the indexes of all tenants.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Build the vector index anew from the encrypted tenant file, which is the truth. Needs no model."""
    if every and tenant is not None:
        raise typer.BadParameter("choose either --tenant or --all")

    async def work(loaded: LoadedSettings) -> None:
        if loaded.values.retrieval.index_location == "memory":
            raise InvalidRequest("The indexes are kept in memory: each is built anew whenever it is opened.")
        from aura_local.commands.opening import open_home
        from aura_local.commands.tenants import find_tenant
        from aura_local.retrieval.vector_index import rebuild

        rebuilt: list[dict[str, object]] = []
        async with open_home(loaded) as data:
            chosen = await data.catalog.tenants() if every else [await find_tenant(data.catalog, tenant)]
            for owner in chosen:
                with progress_console().status(f"Indexing {owner.name}", spinner="line"):
                    async with data.leases.lease(owner.id) as handle:
                        vectors = await rebuild(handle)
                rebuilt.append({"tenant": owner.name, "vectors": vectors})
                if not as_json:
                    print(f"{owner.name}: {vectors} vectors")
        if as_json:
            print_json({"rebuilt": rebuilt})

    run_command(work, home=home, as_json=as_json)
