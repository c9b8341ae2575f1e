"""`aura key rotate-master|rotate-tenant`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import print_json
from aura_local.commands.progress_bar import progress_bar
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings


def register(group: typer.Typer) -> None:
    group.command("rotate-master")(rotate_master)
    group.command("rotate-tenant")(rotate_tenant)


def rotate_master(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Make a new master key and encrypt everything that the old one opened. Stop the server first.

    Backups made earlier open with the former key alone: keep a copy of it as long as you keep them.
    """

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.administration import master_key
        from aura_local.data_home import open_data_home
        from aura_local.errors import NotFound
        from aura_local.passphrase import passphrase_for
        from aura_local.storage.keys import PLATFORM_DATABASE

        settings = loaded.values
        if not (settings.home / PLATFORM_DATABASE).exists():
            raise NotFound(f"There is no data in {settings.home} yet, so there is no key to change.")
        ask = passphrase_for(settings)
        async with open_data_home(settings, ask, alone=True):
            pass  # the key fits, what was cut short is finished, and the tables are of this version
        words = None if ask is None else ask()
        await master_key.rotate_master(operator(), settings.home, settings.master_key_file, passphrase=words)
        if as_json:
            print_json({"rotated": "master", "source": settings.master_key_source})
        else:
            print("The master key is a new one.")
            where = "passphrase" if words is not None else f"key file {settings.master_key_file}"
            typer.echo(
                f"Make a backup now and keep the {where} apart from it; earlier ones need the former key.",
                err=True,
            )

    run_command(work, home=home, as_json=as_json)


def rotate_tenant(
    name: Annotated[str, typer.Argument(help="Name of the tenant.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Encrypt a tenant's database and documents under a new key; needs their space twice meanwhile."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home
        from aura_local.commands.tenants import find_tenant
        from aura_local.errors import Busy

        async with open_home(loaded) as data:
            tenant = await find_tenant(data.catalog, name)
            with progress_bar(f"Encrypting {tenant.name}") as progress:
                try:
                    await data.administration.tenants.rotate_key(operator(), tenant.id, progress=progress)
                except Busy as error:
                    raise Busy(
                        "A server has this tenant open: stop it, or do this again once it has closed it."
                    ) from error
        if as_json:
            print_json({"rotated": tenant.id})
        else:
            print(f"The tenant {tenant.name} has a new key.")

    run_command(work, home=home, as_json=as_json)
