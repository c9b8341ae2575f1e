"""`aura reindex`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.failures import ExitCode
from aura_local.commands.options import HomeOption, JsonOption, ProfileOption, TenantOption
from aura_local.commands.output import print_json, progress_console
from aura_local.commands.panels import DOCUMENTS
from aura_local.commands.running import run_command
from aura_local.errors import InvalidRequest

if TYPE_CHECKING:
    from aura_local.commands.reading_again import ReadAgain
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    application.command("reindex", rich_help_panel=DOCUMENTS)(reindex)


def reindex(
    documents: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DOCUMENT]...", help="With --read: ids of the documents; all if left out."),
    ] = None,
    tenant: TenantOption = None,
    every: Annotated[bool, typer.Option("--all", help="All tenants.")] = False,
    read: Annotated[
        bool,
        typer.Option("--read", help="Read the stored files again, as this version and its settings do."),
    ] = False,
    as_json: JsonOption = False,
    profile: ProfileOption = None,
    home: HomeOption = None,
) -> None:
    """Build the vector index anew from the encrypted tenant file, which is the truth. Needs no model.

    With --read the documents themselves are read, cut and embedded again: what an earlier version indexed, or
    scanned pages once text recognition is installed. Each answers from its old passages until the new ones
    are there; what is interrupted goes on at the next start.
    """
    if every and tenant is not None:
        raise typer.BadParameter("choose either --tenant or --all")
    if documents and (every or not read):
        raise typer.BadParameter("documents are named for --read, in one tenant")

    async def work(loaded: LoadedSettings) -> ExitCode:
        if not read:
            await _rebuild(loaded, tenant, every=every, as_json=as_json)
            return ExitCode.DONE
        from aura_local.commands.reading_again import read_documents_again

        outcomes = await read_documents_again(loaded, tenant, documents or (), every=every)
        _show(outcomes, as_json=as_json)
        return ExitCode.FAILED if any(outcome.failed for outcome in outcomes) else ExitCode.DONE

    run_command(work, home=home, profile=profile, as_json=as_json)


async def _rebuild(loaded: LoadedSettings, tenant: str | None, *, every: bool, as_json: bool) -> None:
    if loaded.values.retrieval.index_location == "memory":
        raise InvalidRequest("The indexes are kept in memory: each is built anew whenever it is opened.")
    from aura_local.commands.opening import open_home
    from aura_local.commands.tenants import find_tenant
    from aura_local.retrieval.vector_index import rebuild

    rebuilt: list[dict[str, object]] = []
    async with open_home(loaded) as data:
        chosen = await data.catalog.tenants() if every else [await find_tenant(data.catalog, tenant)]
        for owner in chosen:
            with progress_console().status(f"Indexing {owner.name}", spinner="line"):
                async with data.leases.lease(owner.id) as handle:
                    vectors = await rebuild(handle)
            rebuilt.append({"tenant": owner.name, "vectors": vectors})
            if not as_json:
                print(f"{owner.name}: {vectors} vectors")
    if as_json:
        print_json({"rebuilt": rebuilt})


def _show(outcomes: list[ReadAgain], *, as_json: bool) -> None:
    if as_json:
        print_json({"read": [_as_json(outcome) for outcome in outcomes]})
        return
    for outcome in outcomes:
        for record in outcome.failed:
            typer.secho(f"failed: {record.name}: {record.reason}", fg="red", err=True)
        indexed = len(outcome.documents) - len(outcome.failed)
        print(f"{outcome.tenant}: {indexed} of {len(outcome.documents)} documents are indexed again.")


def _as_json(outcome: ReadAgain) -> dict[str, object]:
    return {
        "tenant": outcome.tenant,
        "documents": [
            {
                "id": record.id,
                "status": record.status,
                "passages": record.passage_count or 0,
                "reason": record.reason,
            }
            for record in outcome.documents
        ],
    }
