"""`aura tenant create|list|rename|suspend|resume|tier|public-page|erase`; `tenant_archive` has the others"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from aura_local.commands import tenant_archive
from aura_local.commands.confirmation import confirm_by_typing
from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import moment, print_json, print_table
from aura_local.commands.panels import ACCESS
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.administration.tenants import Tenants
    from aura_local.data_home import DataHome
    from aura_local.settings_sources import LoadedSettings
    from aura_local.storage.catalog import Tenant

NameArgument: TypeAlias = Annotated[str, typer.Argument(help="Name of the tenant.")]
NewNameArgument: TypeAlias = Annotated[
    str, typer.Argument(help="1-64 letters, digits, spaces, hyphens and underscores.")
]


def register(application: typer.Typer) -> None:
    group = typer.Typer(help="Make and manage tenants.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(list_tenants)
    group.command("rename")(rename)
    group.command("suspend")(suspend)
    group.command("resume")(resume)
    group.command("tier")(tier)
    group.command("public-page")(public_page)
    tenant_archive.register(group)
    group.command("erase")(erase)
    application.add_typer(group, name="tenant", rich_help_panel=ACCESS)


def create(
    name: NewNameArgument,
    tier: Annotated[
        str | None, typer.Option("--tier", help="What it may use; left out: the default tier.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Create a tenant: an encrypted file of its own for documents and conversations."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home

        async with open_home(loaded) as data:
            tenant = await data.administration.tenants.create(operator(), name, tier=tier)
        if as_json:
            print_json(asdict(tenant))
        else:
            print(f"Created the tenant {tenant.name}. Give it documents with:")
            print(f"  aura ingest --tenant '{tenant.name}' PATH...")

    run_command(work, home=home, as_json=as_json)


def list_tenants(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the tenants with the number of their documents, and those whose file is damaged."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home

        async with open_home(loaded) as data:
            tenants = await data.administration.tenants.all(operator())
            counts = {tenant.id: await _documents(data, tenant.id) for tenant in tenants}
            damaged = dict(data.leases.quarantined)
        if as_json:
            listed = [
                asdict(tenant) | {"documents": counts[tenant.id], "quarantined": damaged.get(tenant.id)}
                for tenant in tenants
            ]
            print_json({"tenants": listed})
            return
        print_table(
            ("name", "status", "tier", "public page", "documents", "created", "id"),
            [
                (
                    tenant.name,
                    "quarantined" if tenant.id in damaged else tenant.status,
                    tenant.tier or loaded.values.metering.default_tier,
                    "on" if tenant.public_page else "off",
                    counts[tenant.id],
                    moment(tenant.created_at),
                    tenant.id,
                )
                for tenant in tenants
            ],
        )
        for message in damaged.values():
            typer.echo(message, err=True)

    run_command(work, home=home, as_json=as_json)


def rename(
    name: NameArgument, new_name: NewNameArgument, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Give a tenant another name; its data and keys stay as they are."""

    async def work(tenants: Tenants, actor: Principal, tenant: Tenant) -> None:
        await tenants.rename(actor, tenant.id, new_name)

    _change(work, name, home=home, as_json=as_json)


def suspend(name: NameArgument, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Suspend a tenant: every credential of it stops working within a second; its data is kept."""

    async def work(tenants: Tenants, actor: Principal, tenant: Tenant) -> None:
        await tenants.suspend(actor, tenant.id)

    _change(work, name, home=home, as_json=as_json)


def resume(name: NameArgument, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Let a suspended tenant work again."""

    async def work(tenants: Tenants, actor: Principal, tenant: Tenant) -> None:
        await tenants.resume(actor, tenant.id)

    _change(work, name, home=home, as_json=as_json)


def tier(
    name: NameArgument,
    tier: Annotated[str, typer.Argument(help="Name of a tier in aura.toml, or `default`.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Set what a tenant may use; tiers are defined in aura.toml."""

    async def work(tenants: Tenants, actor: Principal, tenant: Tenant) -> None:
        await tenants.set_tier(actor, tenant.id, None if tier == "default" else tier)

    _change(work, name, home=home, as_json=as_json)


def public_page(
    name: NameArgument,
    state: Annotated[
        Literal["on", "off"], typer.Argument(help="on: anybody may ask; off: nobody without a credential.")
    ],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Open or close the page on which visitors ask a tenant's public documents."""

    async def work(tenants: Tenants, actor: Principal, tenant: Tenant) -> None:
        await tenants.set_public_page(actor, tenant.id, public=state == "on")

    _change(work, name, home=home, as_json=as_json)


def erase(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for the name again.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Erase a tenant for good: its key first, then its files. Stop the server first.

    Backups made earlier keep what they have until they are deleted themselves.
    """
    if not yes:
        confirm_by_typing(name, "Type the tenant's name again to erase it for good", as_json=as_json)

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home
        from aura_local.commands.tenants import find_tenant

        async with open_home(loaded, alone=True) as data:
            tenant = await find_tenant(data.catalog, name)
            await data.administration.tenants.erase(operator(), tenant.id)
        if as_json:
            print_json({"erased": tenant.id})
        else:
            print(f"Erased the tenant {tenant.name}. The receipt is in the log: aura audit list")

    run_command(work, home=home, as_json=as_json)


def _change(
    work: Callable[[Tenants, Principal, Tenant], Awaitable[None]],
    name: str,
    *,
    home: HomeOption,
    as_json: bool,
) -> None:
    """Await `work` for the tenant, and print what it is afterwards."""

    async def with_tenant(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home
        from aura_local.commands.tenants import find_tenant

        async with open_home(loaded) as data:
            tenants = data.administration.tenants
            found = await find_tenant(data.catalog, name)
            await work(tenants, operator(), found)
            now = await tenants.one(operator(), found.id)
        if as_json:
            print_json(asdict(now))
        else:
            tier = now.tier or loaded.values.metering.default_tier
            page = "on" if now.public_page else "off"
            print(f"{now.name}: {now.status}, tier {tier}, public page {page}.")

    run_command(with_tenant, home=home, as_json=as_json)


async def _documents(data: DataHome, tenant_id: str) -> int | None:
    """How many documents a tenant has; None where its file is damaged."""
    from aura_local.errors import StorageDamaged
    from aura_local.retrieval.documents import document_rows

    try:
        async with data.leases.lease(tenant_id, even_suspended=True) as handle:
            return len(await handle.database.read(document_rows))
    except StorageDamaged:
        return None
