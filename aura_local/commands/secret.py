"""`aura secret set|list|remove`"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from aura_local.commands.failures import fail
from aura_local.commands.options import HomeOption, JsonOption, TenantOption
from aura_local.commands.output import moment, print_json, print_table
from aura_local.commands.panels import ACCESS
from aura_local.commands.running import run_command
from aura_local.errors import InvalidRequest

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.administration.secrets import Secrets
    from aura_local.settings_sources import LoadedSettings
    from aura_local.storage.catalog import Tenant

NameArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="Lower-case letters, digits, dots, hyphens, underscores.")
]


def register(application: typer.Typer) -> None:
    group = typer.Typer(help="Keep secrets of a tenant, such as keys of providers.", no_args_is_help=True)
    group.command("set")(set_secret)
    group.command("list")(list_secrets)
    group.command("remove")(remove)
    application.add_typer(group, name="secret", rich_help_panel=ACCESS)


def set_secret(
    name: NameArgument, tenant: TenantOption = None, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Keep a secret, encrypted. Its value is typed in unseen, or comes from standard input."""
    value = _value(as_json)

    async def work(secrets: Secrets, actor: Principal, _owner: Tenant) -> None:
        await secrets.put(actor, name, value)
        if as_json:
            print_json({"stored": name})
        else:
            print("Stored. It is not shown again.")

    _run(work, tenant, home=home, as_json=as_json)


def list_secrets(tenant: TenantOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the names of a tenant's secrets; their values are never shown."""

    async def work(secrets: Secrets, actor: Principal, owner: Tenant) -> None:
        listed = await secrets.all(actor)
        if as_json:
            print_json({"tenant": owner.name, "secrets": [asdict(secret) for secret in listed]})
        else:
            rows = [(secret.name, moment(secret.updated_at)) for secret in listed]
            print_table(("name", "stored"), rows)

    _run(work, tenant, home=home, as_json=as_json)


def remove(
    name: NameArgument, tenant: TenantOption = None, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Remove a secret for good."""

    async def work(secrets: Secrets, actor: Principal, _owner: Tenant) -> None:
        await secrets.remove(actor, name)
        if as_json:
            print_json({"removed": name})
        else:
            print("Removed.")

    _run(work, tenant, home=home, as_json=as_json)


def _value(as_json: bool) -> str:
    """From a terminal without showing it, else from standard input without the line's end.

    Never an argument: those are seen in the list of processes and kept in the shell's history.
    """
    from aura_local.storage.tenant_secrets import LONGEST_VALUE_BYTES

    if sys.stdin.isatty():
        return str(typer.prompt("Value", hide_input=True, err=True))
    content = sys.stdin.buffer.read(LONGEST_VALUE_BYTES + len("\r\n") + 1)
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        fail(InvalidRequest("The value on standard input is not text in UTF-8."), as_json=as_json)


def _run(
    work: Callable[[Secrets, Principal, Tenant], Awaitable[None]],
    tenant_name: str | None,
    *,
    home: HomeOption,
    as_json: bool,
) -> None:
    """Await `work` as whoever sits at the machine, for the tenant."""

    async def with_secrets(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home
        from aura_local.commands.tenants import find_tenant

        async with open_home(loaded) as data:
            owner = await find_tenant(data.catalog, tenant_name)
            await work(data.administration.secrets, operator(owner.id), owner)

    run_command(with_secrets, home=home, as_json=as_json)
