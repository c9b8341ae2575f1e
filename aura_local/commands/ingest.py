"""`aura ingest PATH...`"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aura_local.commands.failures import ExitCode
from aura_local.commands.options import HomeOption, JsonOption, ProfileOption, TenantOption
from aura_local.commands.output import print_json, progress_console
from aura_local.commands.panels import DOCUMENTS
from aura_local.commands.running import run_command
from aura_local.errors import DocumentUnreadable, InvalidRequest, PayloadTooLarge

if TYPE_CHECKING:
    from rich.progress import Progress

    from aura_local.engine import Engine
    from aura_local.settings_sources import LoadedSettings
    from aura_local.storage.leases import TenantHandle

SUFFIXES: Final = frozenset({".txt", ".md", ".markdown", ".html", ".htm", ".pdf", ".docx"})
"""What is taken from folders; a file that is named is always tried."""
CHUNK_BYTES: Final = 1024 * 1024


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
    as_json: JsonOption = False,
    profile: ProfileOption = None,
    home: HomeOption = None,
) -> None:
    """Add documents (txt, md, html, pdf, docx) to a tenant and make them findable.

    A document that is there already is left as it is; one that failed is tried again. Exit code 1 when
    any file failed; the others are kept.
    """

    async def work(loaded: LoadedSettings) -> ExitCode:
        outcomes = await _ingest(loaded, paths, tenant, public=public)
        if as_json:
            print_json({"documents": [_as_json(outcome) for outcome in outcomes]})
        else:
            _print(outcomes)
        return ExitCode.DONE if all(outcome.indexed for outcome in outcomes) else ExitCode.FAILED

    run_command(work, home=home, profile=profile, as_json=as_json)


def documents_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The files to read, each once: named ones, and those of known kinds in folders, hidden ones not."""
    seen: set[Path] = set()
    for path in paths:
        found = [path] if path.is_file() else sorted(_inside(path))
        for file in found:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _inside(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not hidden and file.suffix.lower() in SUFFIXES and file.is_file():
            yield file


async def _ingest(
    loaded: LoadedSettings, paths: list[Path], tenant_name: str | None, *, public: bool
) -> list[Ingested]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from aura_local.commands.engines import wait_for_engines
    from aura_local.commands.opening import open_engine
    from aura_local.commands.tenants import find_tenant

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
    async with open_engine(loaded) as engine:
        owner = await find_tenant(engine.catalog, tenant_name)
        await wait_for_engines(engine, "embedder")
        async with engine.leases.lease(owner.id) as handle:
            with Progress(*columns, console=progress_console()) as progress:
                outcomes = []
                for file in progress.track(files, description="documents"):
                    outcomes.append(await _ingest_file(engine, handle, file, progress, public=public))
    return outcomes


async def _ingest_file(
    engine: Engine, handle: TenantHandle, file: Path, progress: Progress, *, public: bool
) -> Ingested:
    bar = progress.add_task(file.name, total=None)

    def show(done: int, total: int) -> None:
        progress.update(bar, completed=done, total=total)

    limit_bytes = engine.settings.limits.upload_bytes
    try:
        accepted = await engine.ingestion.add(
            handle,
            file.name,
            _chunks(file),
            limit_bytes=limit_bytes,
            audience="public" if public else "members",
        )
        if public and accepted.audience != "public":
            await engine.ingestion.set_audience(handle, accepted.id, "public")
        record = await engine.ingestion.index(handle, accepted.id, progress=show)
    except (InvalidRequest, PayloadTooLarge, DocumentUnreadable) as error:
        return Ingested(file, None, False, 0, error.message)
    finally:
        progress.remove_task(bar)
    return Ingested(file, record.id, record.status == "indexed", record.passage_count or 0, record.reason)


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    import anyio

    try:
        async with await anyio.open_file(file, "rb") as source:
            while chunk := await source.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise DocumentUnreadable(f"The file cannot be read: {error.strerror}.") from error


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
