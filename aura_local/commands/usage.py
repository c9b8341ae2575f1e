"""`aura usage`"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aura_local.commands.options import HomeOption, JsonOption, TenantOption
from aura_local.commands.output import print_json, print_table
from aura_local.commands.panels import ACCESS
from aura_local.commands.running import run_command
from aura_local.errors import InvalidRequest

if TYPE_CHECKING:
    from aura_local.metering.ledger import UsageColumn, UsageLedger, UsageQuery
    from aura_local.settings_sources import LoadedSettings

COLUMNS: Final[dict[str, UsageColumn]] = {"day": "day", "user": "subject", "kind": "kind"}
"""What `--by` tells apart, and how the ledger calls it."""


def register(application: typer.Typer) -> None:
    application.command("usage", rich_help_panel=ACCESS)(usage)


def usage(
    tenant: TenantOption = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, UTC.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, UTC.")
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="What is told apart, of day, user and kind; the rest is added up.")
    ] = "day,user,kind",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV (RFC 4180).")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show what a tenant has used; a user is a person, an API key or a visitor."""
    if as_csv and as_json:
        raise typer.BadParameter("choose either --csv or --json")

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.audit.chain import AuditLog
        from aura_local.commands.opening import open_home
        from aura_local.commands.tenants import find_tenant
        from aura_local.metering.ledger import UsageLedger, UsageQuery

        query = UsageQuery(
            first_day=None if first is None else first.date(),
            last_day=None if last is None else last.date(),
            by=_columns(by),
        )
        async with open_home(loaded) as data:
            owner = await find_tenant(data.catalog, tenant)
            async with data.leases.lease(owner.id, even_suspended=True) as handle:
                ledger = UsageLedger(handle.database)
                if as_csv:
                    log = AuditLog(data.catalog.database, owner.id)
                    await log.append("operator:local", "usage.exported", owner.id)
                    async for lines in ledger.csv(query):
                        print(lines, end="")
                else:
                    await _print(ledger, query, owner.name, as_json=as_json)

    run_command(work, home=home, as_json=as_json)


async def _print(ledger: UsageLedger, query: UsageQuery, tenant: str, *, as_json: bool) -> None:
    from aura_local.metering.ledger import PAGE_ROWS

    rows: list[dict[str, str | int]] = []
    after: str | None = None
    while page := await ledger.totals(query, after=after, limit=PAGE_ROWS):
        for row in page:
            told = {name: getattr(row, column) for name, column in COLUMNS.items() if column in query.by}
            rows.append(told | {"amount": row.amount})
        after = page[-1].cursor
    if as_json:
        print_json({"tenant": tenant, "usage": rows})
    else:
        columns = [name for name, column in COLUMNS.items() if column in query.by]
        cells = [[row[name] for name in columns] + [f"{row['amount']:,}"] for row in rows]
        print_table([*columns, "amount"], cells)


def _columns(by: str) -> frozenset[UsageColumn]:
    names = [name.strip() for name in by.split(",")]
    if not set(names) <= set(COLUMNS):
        raise InvalidRequest("--by takes some of day, user and kind, separated by commas.")
    return frozenset(COLUMNS[name] for name in names)
