"""`aura master-key show|seal|unseal|change-passphrase`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import print_json
from aura_local.commands.panels import ACCESS
from aura_local.commands.running import run_command
from aura_local.errors import Conflict, NotFound

if TYPE_CHECKING:
    from aura_local.settings import Settings
    from aura_local.settings_sources import LoadedSettings

NEXT: Final = (
    'Set master_key_source = "{source}" (aura.toml, or AURA_MASTER_KEY_SOURCE) before the next start.'
)


def register(application: typer.Typer) -> None:
    group = typer.Typer(help="Keep the master key in a file, or behind a passphrase.", no_args_is_help=True)
    group.command("show")(show)
    group.command("seal")(seal)
    group.command("unseal")(unseal)
    group.command("change-passphrase")(change_passphrase)
    application.add_typer(group, name="master-key", rich_help_panel=ACCESS)


def show(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Say where the master key comes from and what that protects against; never the key itself."""

    async def work(loaded: LoadedSettings) -> None:
        import anyio.to_thread

        from aura_local.commands.protection import encryption

        found = await anyio.to_thread.run_sync(encryption, loaded.values)
        if as_json:
            names = ("master_key_source", "master_key_file", "master_key_present", "protects")
            print_json({name.removeprefix("master_key_"): found[name] for name in names})
        else:
            there = "" if found["master_key_present"] else " (not there yet: made at the first start)"
            print(f"{found['master_key_source']}: {found['master_key_file']}{there}")
            print(found["protects"])

    run_command(work, home=home, as_json=as_json)


def seal(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Move the master key from its file behind a passphrase, which every start asks for from then on."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.administration import master_key
        from aura_local.data_home import open_data_home
        from aura_local.passphrase import ask_new_passphrase

        settings = _in_file(loaded.values)
        words = ask_new_passphrase()
        async with open_data_home(settings) as data:
            await master_key.seal(operator(), data.catalog, settings.home, settings.master_key_file, words)
        _print_source("passphrase", as_json=as_json)

    run_command(work, home=home, as_json=as_json)


def unseal(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Move the master key from behind its passphrase into the key file."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.administration import master_key
        from aura_local.data_home import open_data_home
        from aura_local.passphrase import ask_passphrase

        settings = _behind_passphrase(loaded.values)
        words = ask_passphrase()
        async with open_data_home(settings, lambda: words) as data:
            await master_key.unseal(operator(), data.catalog, settings.home, settings.master_key_file, words)
        _print_source("file", as_json=as_json)

    run_command(work, home=home, as_json=as_json)


def change_passphrase(
    new_file: Annotated[
        Path | None,
        typer.Option("--new-passphrase-file", help="File with the new passphrase; without it you are asked."),
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Put the master key behind another passphrase; the old one opens nothing here afterwards."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.accounts.principal import operator
        from aura_local.administration import master_key
        from aura_local.data_home import open_data_home
        from aura_local.passphrase import ask_another_passphrase, ask_passphrase

        settings = _behind_passphrase(loaded.values)
        old = ask_passphrase()
        async with open_data_home(settings, lambda: old) as data:
            new = ask_another_passphrase(new_file)
            await master_key.change_passphrase(operator(), data.catalog, settings.home, old, new)
        if as_json:
            print_json({"passphrase": "changed"})
        else:
            print("The passphrase is another one. Backups made earlier still open with the old one.")

    run_command(work, home=home, as_json=as_json)


def _in_file(settings: Settings) -> Settings:
    """The settings with which the key in its file opens the data. Raises where it is in none."""
    from aura_local.storage.sealed_key import SEALED_FILE

    if not settings.master_key_file.exists():
        if (settings.home / SEALED_FILE).exists():
            raise Conflict("The master key is behind a passphrase already.")
        raise NotFound(
            'There is no master key yet; set master_key_source = "passphrase" and the first start makes it '
            "behind one."
        )
    return settings.model_copy(update={"master_key_source": "file"})


def _behind_passphrase(settings: Settings) -> Settings:
    from aura_local.storage.sealed_key import SEALED_FILE

    if not (settings.home / SEALED_FILE).exists():
        raise Conflict("The master key is not behind a passphrase; aura master-key show says where it is.")
    return settings.model_copy(update={"master_key_source": "passphrase"})


def _print_source(source: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"source": source})
    else:
        print("Done.")
    typer.echo(NEXT.format(source=source), err=True)
