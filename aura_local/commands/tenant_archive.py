"""`aura tenant export|import`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import print_json
from aura_local.commands.progress_bar import progress_bar
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings


def register(group: typer.Typer) -> None:
    group.command("export")(export)
    group.command("import")(import_archive)


def export(
    name: Annotated[str, typer.Argument(help="Name of the tenant.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="New file for the archive.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Write a tenant into one portable file: database, documents, readable JSON. It is NOT encrypted."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home
        from aura_local.commands.tenants import find_tenant

        async with open_home(loaded) as data:
            tenant = await find_tenant(data.catalog, name)
            with progress_bar(f"Exporting {tenant.name}") as progress:
                receipt = await data.administration.tenants.export(
                    operator(), tenant.id, output, progress=progress
                )
        if as_json:
            print_json({"file": str(receipt.path), "size_bytes": receipt.size_bytes})
        else:
            print(f"{receipt.path}: {receipt.size_bytes:,} bytes.")
            typer.echo(
                "It is not encrypted: keep it safe. People, API keys, widgets and the tier are not in it.",
                err=True,
            )

    run_command(work, home=home, as_json=as_json)


def import_archive(
    archive: Annotated[
        Path, typer.Argument(metavar="FILE", help="An archive of `aura tenant export`.", exists=True)
    ],
    name: Annotated[str, typer.Option("--name", help="Name of the new tenant.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Make a new tenant of an archive, under a key of its own. Its people and keys are made anew."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home

        async with open_home(loaded) as data:
            with progress_bar(f"Importing {name}") as progress:
                tenant = await data.administration.tenants.import_archive(
                    operator(), archive, name, progress=progress
                )
        if as_json:
            print_json(asdict(tenant))
        else:
            print(f"Imported the tenant {tenant.name}. Make a key for it with:")
            print(f"  aura key create --tenant '{tenant.name}'")

    run_command(work, home=home, as_json=as_json)
