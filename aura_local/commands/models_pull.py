"""The one command that downloads: `aura models pull`; and `aura models import`, which needs no network."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.from_thread
import anyio.to_thread
import typer

from aura_local.commands.failures import ExitCode
from aura_local.commands.output import print_json, progress_console
from aura_local.errors import AuraError, InvalidRequest, ModelDamaged, ModelMissing

if TYPE_CHECKING:
    from aura_local.catalogue.manifest import ModelEntry
    from aura_local.catalogue.pulling import Progress
    from aura_local.catalogue.sources import ModelFile
    from aura_local.catalogue.store import ModelStore
    from aura_local.egress_permits import EgressNotice, EgressPermits
    from aura_local.settings_sources import LoadedSettings

PLATFORM_FILE = "aura.sqlite"


async def pull_models(
    loaded: LoadedSettings,
    names: Sequence[str],
    profile: str | None,
    *,
    accept_licence: bool,
    as_json: bool,
) -> ExitCode:
    """Download what is missing of the named models, or of a profile."""
    from aura_local.catalogue.hub_address import HubAddress
    from aura_local.catalogue.hub_client import HubClient
    from aura_local.catalogue.known_models import known_store, models_folder_of
    from aura_local.catalogue.models_folder import ModelsFolder
    from aura_local.catalogue.profiles import models_of
    from aura_local.catalogue.pull_plan import plan_pull
    from aura_local.catalogue.pulling import Puller

    if bool(names) == (profile is not None):
        raise InvalidRequest("Name models, or a profile with --profile.")
    settings = loaded.values
    store = await anyio.to_thread.run_sync(known_store, settings.home)
    wanted = [store.entry(name) for name in dict.fromkeys(names)]
    wanted = wanted if profile is None else list(models_of(profile, store.entries))
    folder = ModelsFolder(models_folder_of(settings.home))
    absent = await anyio.to_thread.run_sync(_absent, store, wanted)
    downloads = [entry for entry in absent if entry.source.kind == "hub" or profile is None]
    plan = plan_pull(downloads, folder, licences_accepted=accept_licence)
    for entry in plan.entries:
        notice = f" {entry.licence_notice}" if entry.licence_notice else ""
        typer.echo(f"{entry.name}: {entry.licence}.{notice}", err=True)
    address = HubAddress.checked(
        settings.downloads.endpoint or os.environ.get("HF_ENDPOINT"),
        settings.downloads.storage_hosts,
        settings.downloads.proxy,
    )
    errors: dict[str, AuraError] = {
        entry.name: ModelMissing(f"{entry.name} is no download; get it with: {entry.get}")
        for entry in absent
        if entry not in downloads
    }
    if plan.entries:
        async with _audited_permits(loaded) as permits:
            with _progress(plan.entries) as progress:
                puller = Puller(
                    folder,
                    HubClient(address, permits),
                    reserve_bytes=settings.limits.disk_reserve_bytes,
                    parallel_files=settings.downloads.parallel_files,
                    progress=progress,
                )
                for outcome in await puller.pull(plan):
                    if outcome.error is not None:
                        errors[outcome.entry.name] = outcome.error
    _tell(wanted, {entry.name for entry in plan.entries}, errors, as_json=as_json)
    return ExitCode.FAILED if errors else ExitCode.DONE


async def import_model(loaded: LoadedSettings, path: Path, name: str | None, *, as_json: bool) -> None:
    """Copy a model that somebody brought."""
    from aura_local.catalogue.importing import bring
    from aura_local.catalogue.known_models import known_models, models_folder_of
    from aura_local.catalogue.models_folder import ModelsFolder
    from aura_local.commands.progress_bar import progress_bar

    settings = loaded.values
    with progress_bar("copying") as show:

        def work() -> ModelEntry:
            return bring(
                path,
                ModelsFolder(models_folder_of(settings.home)),
                name=name,
                taken={entry.name for entry in known_models(settings.home)},
                reserve_bytes=settings.limits.disk_reserve_bytes,
                progress=show,
            )

        entry = await anyio.to_thread.run_sync(work)
    if as_json:
        print_json({"name": entry.name, "job": entry.job, "engine": entry.engine, "licence": entry.licence})
    else:
        print(f"{entry.name}: {entry.description}. Use it with: aura models use {entry.name}")
        typer.echo("Its licence is not known: look whether its terms allow what you do.", err=True)


def _absent(store: ModelStore, entries: Sequence[ModelEntry]) -> list[ModelEntry]:
    """Those that are not installed, or not as they should be. Hashes what is there."""
    absent = []
    for entry in entries:
        try:
            store.verify(entry)
        except (ModelMissing, ModelDamaged):
            absent.append(entry)
    return absent


@asynccontextmanager
async def _audited_permits(loaded: LoadedSettings) -> AsyncIterator[EgressPermits]:
    """Permits that are in the platform's audit log before anything is sent, where there is one."""
    from aura_local.audit.chain import AuditLog
    from aura_local.commands.opening import open_home
    from aura_local.egress_permits import EgressPermits

    if not (loaded.values.home / PLATFORM_FILE).is_file():
        yield EgressPermits()
        return
    async with open_home(loaded) as data:
        log = AuditLog(data.catalog.database)
        entered: set[str] = set()
        one_at_a_time = threading.Lock()

        async def append(notice: EgressNotice) -> None:
            await log.append(
                "operator:local", "egress.permitted", notice.target, purpose=notice.permit.purpose
            )

        def observe(notice: EgressNotice) -> None:
            # A host once for each command: a file that is resumed fifty times is not fifty facts.
            with one_at_a_time:
                if notice.event == "permitted" and notice.target not in entered:
                    anyio.from_thread.run(append, notice)
                    entered.add(notice.target)

        yield EgressPermits(observe)


@contextmanager
def _progress(entries: Sequence[ModelEntry]) -> Iterator[Progress]:
    """A bar for each file, with what has arrived, the rate and the time left."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=progress_console()) as bars:
        tasks = {
            (entry.name, file.name): bars.add_task(
                f"{entry.name} {file.name}", total=file.size_bytes, start=False
            )
            for entry in entries
            for file in entry.files
        }

        def show(entry: ModelEntry, file: ModelFile, arrived_bytes: int) -> None:
            task = tasks[entry.name, file.name]
            bars.start_task(task)
            bars.update(task, completed=arrived_bytes)

        yield show


def _tell(
    wanted: Sequence[ModelEntry],
    pulled: set[str],
    errors: dict[str, AuraError],
    *,
    as_json: bool,
) -> None:
    state: Callable[[str], str] = lambda name: (  # noqa: E731
        "failed" if name in errors else "installed" if name in pulled else "present"
    )
    if as_json:
        print_json(
            {
                "models": [
                    {
                        "name": entry.name,
                        "state": state(entry.name),
                        "licence": entry.licence,
                        "code": errors[entry.name].code if entry.name in errors else None,
                        "message": errors[entry.name].message if entry.name in errors else None,
                    }
                    for entry in wanted
                ]
            }
        )
        return
    for entry in wanted:
        if entry.name in errors:
            typer.secho(f"failed: {entry.name}: {errors[entry.name].message}", fg="red", err=True)
        else:
            print(f"{state(entry.name)}: {entry.name}")
