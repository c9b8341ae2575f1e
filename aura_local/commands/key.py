"""`aura key create|list|revoke`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.options import HomeOption, JsonOption, TenantOption
from aura_local.commands.output import moment, print_json, print_table
from aura_local.commands.panels import ACCESS
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    group = typer.Typer(
        help="Create, list and revoke API keys.", no_args_is_help=True, rich_markup_mode="rich"
    )
    group.command("create")(create)
    group.command("list")(list_keys)
    group.command("revoke")(revoke)
    application.add_typer(group, name="key", rich_help_panel=ACCESS)


def create(
    tenant: TenantOption = None,
    label: Annotated[str, typer.Option("--label", help="What the key is for; shown in lists.")] = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Create an API key. It is printed this once and kept nowhere."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.api_keys import ApiKeys
        from aura_local.commands.tenants import find_tenant
        from aura_local.data_home import open_data_home

        async with open_data_home(loaded.values) as data:
            owner = await find_tenant(data.catalog, tenant)
            issued = await ApiKeys(data.catalog.database).issue(owner.id, label)
        if as_json:
            print_json({"key": issued.key, "id": issued.id, "tenant": owner.name, "label": label})
        else:
            print(issued.key)
            typer.echo(
                f"Keep it: it is not shown again. Revoke it with: aura key revoke {issued.id}", err=True
            )

    run_command(work, home=home, as_json=as_json)


def list_keys(tenant: TenantOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List a tenant's API keys, revoked ones included. The keys themselves are not stored."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.api_keys import ApiKeys
        from aura_local.commands.tenants import find_tenant
        from aura_local.data_home import open_data_home

        async with open_data_home(loaded.values) as data:
            owner = await find_tenant(data.catalog, tenant)
            keys = await ApiKeys(data.catalog.database).of_tenant(owner.id)
        fields = ("id", "label", "prefix", "created_at", "last_used_at", "revoked_at")
        if as_json:
            listed = [{name: getattr(key, name) for name in fields} for key in keys]
            print_json({"tenant": owner.name, "keys": listed})
        else:
            print_table(
                ("id", "label", "prefix", "created", "last used", "revoked"),
                [
                    (k.id, k.label, k.prefix, *map(moment, (k.created_at, k.last_used_at, k.revoked_at)))
                    for k in keys
                ],
            )

    run_command(work, home=home, as_json=as_json)


def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id from `aura key list`.")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Revoke an API key for good; servers refuse it within a second."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.api_keys import ApiKeys
        from aura_local.commands.tenants import find_tenant
        from aura_local.data_home import open_data_home

        async with open_data_home(loaded.values) as data:
            owner = await find_tenant(data.catalog, tenant)
            await ApiKeys(data.catalog.database).revoke(owner.id, key_id)
        if as_json:
            print_json({"revoked": key_id})
        else:
            print("Revoked.")

    run_command(work, home=home, as_json=as_json)
