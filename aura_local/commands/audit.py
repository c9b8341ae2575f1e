"""`aura audit list|verify|export`"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from aura_local.commands.failures import ExitCode
from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import moment, print_json, print_table
from aura_local.commands.panels import ACCESS
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.audit.chain import AuditLog
    from aura_local.settings_sources import LoadedSettings

ChainOption: TypeAlias = Annotated[
    str | None, typer.Option("--tenant", help="Name of the tenant; left out: the log of the platform.")
]


def register(application: typer.Typer) -> None:
    group = typer.Typer(help="Read and verify the audit logs.", no_args_is_help=True)
    group.command("list")(list_entries)
    group.command("verify")(verify)
    group.command("export")(export)
    application.add_typer(group, name="audit", rich_help_panel=ACCESS)


def list_entries(
    tenant: ChainOption = None,
    after: Annotated[int, typer.Option("--after", min=0, help="Begin behind this entry.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Entries at most.")] = 100,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List who did what, oldest first."""

    async def work(log: AuditLog) -> None:
        entries = await log.entries(after=after, limit=limit)
        if as_json:
            print_json({"entries": [asdict(entry) for entry in entries]})
        else:
            print_table(
                ("entry", "when", "who", "what", "to whom"),
                [(e.sequence, moment(e.at), e.actor, e.action, e.subject) for e in entries],
            )

    _run(work, tenant, home=home, as_json=as_json)


def verify(
    tenant: ChainOption = None,
    head: Annotated[
        str | None, typer.Option("--head", help="Head of an earlier verification, noted elsewhere.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Compute the chain of a log again; exit code 1 when it is not as it was written."""

    async def work(log: AuditLog) -> ExitCode:
        found = await log.verify(expected_head=head)
        if as_json:
            print_json(asdict(found))
        elif found.broken_at is None:
            print(f"{found.entries} entries, unbroken. Head: {found.head}")
        else:
            print(f"Broken at entry {found.broken_at}: {found.reason}")
        return ExitCode.DONE if found.broken_at is None else ExitCode.FAILED

    _run(work, tenant, home=home, as_json=as_json)


def export(tenant: ChainOption = None, home: HomeOption = None) -> None:
    """Print every entry as one JSON object a line, with the digests."""

    async def work(log: AuditLog) -> None:
        await log.append("operator:local", "audit.exported", log.chain)
        async for lines in log.export():
            print(lines, end="")

    _run(work, tenant, home=home, as_json=False)


def _run(
    work: Callable[[AuditLog], Awaitable[ExitCode | None]],
    tenant_name: str | None,
    *,
    home: HomeOption,
    as_json: bool,
) -> None:
    async def with_log(loaded: LoadedSettings) -> ExitCode | None:
        from aura_local.audit.chain import PLATFORM, AuditLog
        from aura_local.commands.opening import open_home
        from aura_local.commands.tenants import find_tenant

        async with open_home(loaded) as data:
            chain = PLATFORM
            if tenant_name is not None:
                chain = (await find_tenant(data.catalog, tenant_name)).id
            return await work(AuditLog(data.catalog.database, chain))

    run_command(with_log, home=home, as_json=as_json)
