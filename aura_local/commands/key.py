"""`aura key create|list|rotate|revoke`; `key_rotation` has `rotate-master` and `rotate-tenant`"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from aura_local.commands import key_rotation
from aura_local.commands.options import HomeOption, JsonOption, TenantOption
from aura_local.commands.output import moment, print_json, print_table
from aura_local.commands.panels import ACCESS
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.accounts.api_keys import ApiKey
    from aura_local.accounts.principal import Principal
    from aura_local.administration.service_keys import ServiceKeys
    from aura_local.settings_sources import LoadedSettings
    from aura_local.storage.catalog import Tenant

KeyArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", help="The key's id from `aura key list`.")
]


def register(application: typer.Typer) -> None:
    group = typer.Typer(
        help="Make, list, rotate and revoke API keys; rotate encryption keys.", no_args_is_help=True
    )
    group.command("create")(create)
    group.command("list")(list_keys)
    group.command("rotate")(rotate)
    group.command("revoke")(revoke)
    key_rotation.register(group)
    application.add_typer(group, name="key", rich_help_panel=ACCESS)


def create(
    tenant: TenantOption = None,
    label: Annotated[str, typer.Option("--label", help="What the key is for; shown in lists.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="What it may do; repeat it. Left out: talk, documents, status, usage."),
    ] = None,
    expires_days: Annotated[
        int | None, typer.Option("--expires-days", min=1, max=3650, help="Days until it ends by itself.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Create an API key. It is printed this once and kept nowhere."""

    async def work(keys: ServiceKeys, actor: Principal, owner: Tenant) -> None:
        from datetime import UTC, datetime, timedelta

        expires_at = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)
        scopes = frozenset(scope) if scope else None
        issued = await keys.create(actor, label, scopes=scopes, expires_at=expires_at)
        if as_json:
            (made,) = (key for key in await keys.all(actor) if key.id == issued.id)
            shown = _shown(made)
            named = {name: shown[name] for name in ("id", "label", "scopes", "expires_at")}
            print_json({"key": issued.key, "tenant": owner.name} | named)
        else:
            print(issued.key)
            typer.echo(
                f"Keep it: it is not shown again. Revoke it with: aura key revoke {issued.id}", err=True
            )

    _run(work, tenant, home=home, as_json=as_json)


def list_keys(tenant: TenantOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List a tenant's API keys, ended ones included. The keys themselves are not stored."""

    async def work(keys: ServiceKeys, actor: Principal, owner: Tenant) -> None:
        listed = await keys.all(actor)
        if as_json:
            print_json({"tenant": owner.name, "keys": [_shown(key) for key in listed]})
        else:
            print_table(
                ("id", "label", "prefix", "scopes", "created", "last used", "expires", "revoked"),
                [
                    (
                        *(key.id, key.label, key.prefix, " ".join(sorted(key.scopes))),
                        *map(moment, (key.created_at, key.last_used_at, key.expires_at, key.revoked_at)),
                    )
                    for key in listed
                ],
            )

    _run(work, tenant, home=home, as_json=as_json)


def rotate(
    key_id: KeyArgument,
    tenant: TenantOption = None,
    overlap_hours: Annotated[
        int, typer.Option("--overlap-hours", min=0, max=8760, help="How long the old key works on.")
    ] = 24,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Create a successor with the same label and scopes; the old key ends after the overlap."""

    async def work(keys: ServiceKeys, actor: Principal, owner: Tenant) -> None:
        from datetime import timedelta

        issued = await keys.rotate(actor, key_id, overlap=timedelta(hours=overlap_hours))
        if as_json:
            print_json({"key": issued.key, "tenant": owner.name, "id": issued.id, "predecessor": key_id})
        else:
            print(issued.key)
            typer.echo(
                f"Keep it: it is not shown again. The old key works for {overlap_hours} hours more.", err=True
            )

    _run(work, tenant, home=home, as_json=as_json)


def revoke(
    key_id: KeyArgument,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Revoke an API key for good; servers refuse it within a second."""

    async def work(keys: ServiceKeys, actor: Principal, _owner: Tenant) -> None:
        await keys.revoke(actor, key_id)
        if as_json:
            print_json({"revoked": key_id})
        else:
            print("Revoked.")

    _run(work, tenant, home=home, as_json=as_json)


def _run(
    work: Callable[[ServiceKeys, Principal, Tenant], Awaitable[None]],
    tenant_name: str | None,
    *,
    home: HomeOption,
    as_json: bool,
) -> None:
    """Await `work` as whoever sits at the machine, for the tenant."""

    async def with_keys(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home
        from aura_local.commands.tenants import find_tenant

        async with open_home(loaded) as data:
            owner = await find_tenant(data.catalog, tenant_name)
            await work(data.administration.keys, operator(owner.id), owner)

    run_command(with_keys, home=home, as_json=as_json)


def _shown(key: ApiKey) -> dict[str, object]:
    fields = ("id", "label", "prefix", "created_at", "last_used_at", "expires_at", "revoked_at")
    return {name: getattr(key, name) for name in fields} | {"scopes": sorted(key.scopes)}
