"""`aura ingest PATH...`"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.document_files import SUFFIXES, accept_file, documents_in, for_each
from aura_local.commands.failures import ExitCode
from aura_local.commands.options import HomeOption, JsonOption, ProfileOption, TenantOption
from aura_local.commands.output import print_json, progress_console
from aura_local.commands.panels import DOCUMENTS
from aura_local.commands.running import run_command
from aura_local.errors import InvalidRequest, UnreadableInput

if TYPE_CHECKING:
    from rich.progress import Progress

    from aura_local.commands.kept_folder import FolderNews
    from aura_local.engine import Engine
    from aura_local.retrieval.document_progress import IndexingProgress
    from aura_local.settings_sources import LoadedSettings
    from aura_local.storage.leases import TenantHandle


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one file."""

    path: Path
    document_id: str | None
    indexed: bool
    passages: int
    reason: str | None
    """Why it failed, or what of it could not be read."""


def register(application: typer.Typer) -> None:
    application.command("ingest", rich_help_panel=DOCUMENTS)(ingest)


def ingest(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Files, or folders to search for documents.", exists=True),
    ],
    tenant: TenantOption = None,
    public: Annotated[
        bool, typer.Option("--public", help="Visitors may find them too; those there already as well.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on: what is added, changed and removed in the folders is so here."),
    ] = False,
    as_json: JsonOption = False,
    profile: ProfileOption = None,
    home: HomeOption = None,
) -> None:
    """Add documents to a tenant and make them findable.

    A document that is there already is left as it is; one that failed is tried again. Exit code 1 when
    any file failed; the others are kept. With --watch a file that changes replaces its document, and one
    that is removed takes its document with it, until Control-C.
    """

    async def work(loaded: LoadedSettings) -> ExitCode:
        if watch and as_json:
            raise InvalidRequest("--watch tells what it does line by line, not as one JSON value.")
        if watch:
            await _watch(loaded, paths, tenant, public=public)
            return ExitCode.DONE
        outcomes = await _ingest(loaded, paths, tenant, public=public)
        if as_json:
            print_json({"documents": [_as_json(outcome) for outcome in outcomes]})
        else:
            _print(outcomes)
        return ExitCode.DONE if all(outcome.indexed for outcome in outcomes) else ExitCode.FAILED

    run_command(work, home=home, profile=profile, as_json=as_json)


async def _ingest(
    loaded: LoadedSettings, paths: list[Path], tenant_name: str | None, *, public: bool
) -> list[Ingested]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    files = list(documents_in(paths))
    if not files:
        raise InvalidRequest(
            f"No documents are there; folders are searched for {', '.join(sorted(SUFFIXES))}."
        )
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    outcomes: dict[Path, Ingested] = {}
    async with _tenant(loaded, tenant_name) as (engine, handle):
        with Progress(*columns, console=progress_console()) as progress:
            every = progress.add_task("documents", total=len(files))

            async def take(file: Path) -> None:
                outcomes[file] = await _ingest_file(engine, handle, file, progress, public=public)
                progress.advance(every)

            await for_each(files, take)
    return [outcomes[file] for file in files]


async def _watch(loaded: LoadedSettings, paths: list[Path], tenant_name: str | None, *, public: bool) -> None:
    import anyio

    from aura_local.commands.kept_folder import KeptFolder, follow

    if any(not path.is_dir() for path in paths):
        raise InvalidRequest("Only folders can be kept in step: leave the files out, or --watch.")
    async with _tenant(loaded, tenant_name) as (engine, handle):
        folders = {
            path: KeptFolder(path, engine=engine, handle=handle, public=public, tell=_tell) for path in paths
        }
        print("Keeping in step; Control-C ends it.", flush=True)
        await follow(folders, anyio.Event())


@asynccontextmanager
async def _tenant(
    loaded: LoadedSettings, tenant_name: str | None
) -> AsyncIterator[tuple[Engine, TenantHandle]]:
    from aura_local.commands.engines import wait_for_engines
    from aura_local.commands.opening import open_engine
    from aura_local.commands.tenants import find_tenant

    async with open_engine(loaded) as engine:
        owner = await find_tenant(engine.catalog, tenant_name)
        await wait_for_engines(engine, "embedder")
        async with engine.leases.lease(owner.id) as handle:
            yield engine, handle


async def _ingest_file(
    engine: Engine, handle: TenantHandle, file: Path, progress: Progress, *, public: bool
) -> Ingested:
    bar = progress.add_task(file.name, total=None)

    def show(step: IndexingProgress) -> None:
        progress.update(bar, completed=step.passages_done, total=step.passages_total)

    try:
        accepted = await accept_file(engine, handle, file, public=public)
        record = await engine.ingestion.index(handle, accepted.id, progress=show)
    except (InvalidRequest, UnreadableInput) as error:
        return Ingested(file, None, False, 0, error.message)
    finally:
        progress.remove_task(bar)
    return Ingested(file, record.id, record.status == "indexed", record.passage_count or 0, record.reason)


def _tell(news: FolderNews) -> None:
    text = f"{news.outcome}: {news.path}"
    if news.outcome == "indexed":
        text += f", {news.passages} passages"
    if news.reason:
        text += f": {news.reason}"
    typer.secho(text, fg="red" if news.outcome == "failed" else None)


def _as_json(outcome: Ingested) -> dict[str, object]:
    return {
        "path": str(outcome.path),
        "id": outcome.document_id,
        "status": "indexed" if outcome.indexed else "failed",
        "passages": outcome.passages,
        "reason": outcome.reason,
    }


def _print(outcomes: list[Ingested]) -> None:
    for outcome in outcomes:
        if not outcome.indexed:
            typer.secho(f"failed: {outcome.path}: {outcome.reason}", fg="red", err=True)
        elif outcome.reason:
            typer.echo(f"note: {outcome.path}: {outcome.reason}", err=True)
    indexed = [outcome for outcome in outcomes if outcome.indexed]
    print(
        f"{len(indexed)} of {len(outcomes)} documents are indexed, "
        f"{sum(outcome.passages for outcome in indexed)} passages."
    )
