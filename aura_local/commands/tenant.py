"""`aura tenant create|list`"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import moment, print_json, print_table
from aura_local.commands.panels import ACCESS
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    group = typer.Typer(help="Create and list tenants.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(list_tenants)
    application.add_typer(group, name="tenant", rich_help_panel=ACCESS)


def create(
    name: Annotated[str, typer.Argument(help="1-64 letters, digits, spaces, hyphens and underscores.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Create a tenant: an encrypted file of its own for documents and conversations."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.data_home import open_data_home

        async with open_data_home(loaded.values) as data:
            tenant = await data.catalog.create_tenant(name)
        if as_json:
            print_json({"id": tenant.id, "name": tenant.name, "created_at": tenant.created_at})
        else:
            print(f"Created the tenant {tenant.name}. Give it documents with:")
            print(f"  aura ingest --tenant '{tenant.name}' PATH...")

    run_command(work, home=home, as_json=as_json)


def list_tenants(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the tenants with the number of their documents."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.data_home import open_data_home
        from aura_local.retrieval.documents import document_rows

        counts: dict[str, int] = {}
        async with open_data_home(loaded.values) as data:
            tenants = await data.catalog.tenants()
            for tenant in tenants:
                async with data.leases.lease(tenant.id) as handle:
                    counts[tenant.id] = len(await handle.database.read(document_rows))
        if as_json:
            print_json({"tenants": [asdict(tenant) | {"documents": counts[tenant.id]} for tenant in tenants]})
        else:
            print_table(
                ("name", "documents", "created", "id"),
                [(t.name, counts[t.id], moment(t.created_at), t.id) for t in tenants],
            )

    run_command(work, home=home, as_json=as_json)
