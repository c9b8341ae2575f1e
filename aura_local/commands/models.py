"""`aura models list|pull|import|convert|inspect|verify|remove|use`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import anyio.to_thread
import typer

from aura_local.commands.failures import ExitCode
from aura_local.commands.models_convert import convert
from aura_local.commands.models_inspect import inspect
from aura_local.commands.models_list import megabytes, show_models
from aura_local.commands.models_pull import import_model, pull_models
from aura_local.commands.models_use import choose_model
from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import print_json, print_table, progress_console
from aura_local.commands.panels import INSTALLATION
from aura_local.commands.running import run_command
from aura_local.errors import InvalidRequest, ModelDamaged, ModelMissing

if TYPE_CHECKING:
    from aura_local.catalogue.manifest import ModelEntry
    from aura_local.catalogue.store import ModelStore
    from aura_local.settings import Settings
    from aura_local.settings_sources import LoadedSettings

NameArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="Of `aura models list`.")]


def register(application: typer.Typer) -> None:
    group = typer.Typer(
        help="List, download, bring, convert, check, remove and choose models.", no_args_is_help=True
    )
    group.command("list")(list_models)
    group.command("pull")(pull)
    group.command("import")(import_)
    group.command("convert")(convert)
    group.command("inspect")(inspect)
    group.command("verify")(verify)
    group.command("remove")(remove)
    group.command("use")(use)
    application.add_typer(group, name="models", rich_help_panel=INSTALLATION)


def list_models(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List every model with its state, size, memory, licence, languages and profiles.

    Looks at sizes alone; `aura models verify` proves the files.
    """

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.catalogue.profiles import shipped_profiles

        statuses = await anyio.to_thread.run_sync(lambda: _store(loaded).available())
        show_models(statuses, shipped_profiles(), as_json=as_json)

    run_command(work, home=home, as_json=as_json)


def pull(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Of `aura models list`.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Instead: tiny, small, balanced, best or gpu.")
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept terms that have to be accepted.")
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Download models: the one command that reaches another machine for them.

    What is there already and whole is left as it is; a download that was cut goes on where it stopped. Exit
    code 1 when any model failed; the others are kept.
    """

    async def work(loaded: LoadedSettings) -> ExitCode:
        return await pull_models(loaded, names or [], profile, accept_licence=accept_licence, as_json=as_json)

    run_command(work, home=home, as_json=as_json)


def import_(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A GGUF, a Piper voice, or a folder with one model.")
    ],
    name: Annotated[str | None, typer.Option("--name", help="Its name here; left out, the file's.")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Copy a model from a folder or a stick; what it is is told by its content."""

    async def work(loaded: LoadedSettings) -> None:
        await import_model(loaded, path, name, as_json=as_json)

    run_command(work, home=home, as_json=as_json)


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Left out: all that are installed.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Compute the SHA-256 of every file of installed models. Exit code 1 when any is damaged or missing."""

    async def work(loaded: LoadedSettings) -> ExitCode:
        store = await anyio.to_thread.run_sync(_store, loaded)
        entries = [store.entry(name) for name in names or []]
        if not names:
            entries = [status.entry for status in store.available() if status.state != "missing"]
        rows: list[tuple[str, str, str | None]] = []
        with progress_console().status("Computing digests"):
            for entry in entries:
                rows.append(await anyio.to_thread.run_sync(_verified, store, entry))
        if as_json:
            print_json(
                {"models": [dict(zip(("name", "state", "problem"), row, strict=True)) for row in rows]}
            )
        else:
            print_table(("name", "state", "problem"), rows)
        return ExitCode.DONE if all(state == "whole" for _, state, _ in rows) else ExitCode.FAILED

    run_command(work, home=home, as_json=as_json)


def remove(name: NameArgument, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Remove a model that was downloaded or brought."""

    async def work(loaded: LoadedSettings) -> None:
        entry = _store(loaded).entry(name)
        freed_bytes = await anyio.to_thread.run_sync(_remove, loaded.values, entry)
        if as_json:
            print_json({"removed": name, "freed_bytes": freed_bytes})
        else:
            print(f"Removed {name}; {megabytes(freed_bytes)} are free again.")
        if getattr(loaded.values.engines, entry.job) == name:
            typer.echo(f"engines.{entry.job} still names it: choose another model or `auto`.", err=True)

    run_command(work, home=home, as_json=as_json)


def use(name: NameArgument, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Choose a model for its job, in aura.toml. A running server takes it at once; no conversation is cut."""

    async def work(loaded: LoadedSettings) -> None:
        await choose_model(loaded, name, as_json=as_json)

    run_command(work, home=home, as_json=as_json)


def _store(loaded: LoadedSettings) -> ModelStore:
    from aura_local.catalogue.known_models import known_store

    return known_store(loaded.values.home)


def _verified(store: ModelStore, entry: ModelEntry) -> tuple[str, str, str | None]:
    try:
        store.verify(entry)
    except (ModelMissing, ModelDamaged) as error:
        return entry.name, "damaged" if isinstance(error, ModelDamaged) else "missing", error.message
    return entry.name, "whole", None


def _remove(settings: Settings, entry: ModelEntry) -> int:
    from aura_local.catalogue.known_models import models_folder_of
    from aura_local.catalogue.models_folder import ModelsFolder

    if entry.source.kind not in ("hub", "import"):
        raise InvalidRequest(f"{entry.name} came with AURA Local or a package and cannot be removed here.")
    folder = ModelsFolder(models_folder_of(settings.home))
    with folder.alone():
        model = folder.model(entry.name)
        freed_bytes = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
        folder.remove(entry.name)
    return freed_bytes
