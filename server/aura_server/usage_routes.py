"""What one's own tenant has used, by day, user or key, and kind. Layer 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from aura_local.errors import InvalidRequest
from aura_local.metering.ledger import ENTERED_KINDS, UsageColumn, UsageLedger, UsageQuery
from aura_server.authentication import Visit
from aura_server.operations import Operation, json_answer
from aura_server.query_values import day, whole_number

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine

MOST_ROWS = 1_000
CSV = "text/csv"


class UsageRow(BaseModel):
    """A sum. What was not asked for is empty and added up."""

    model_config = ConfigDict(from_attributes=True)

    day: str
    """UTC."""
    subject: str
    """Who: `user:...`, `key:...` or `visitor:...`."""
    kind: str
    amount: int
    """In the unit that the kind names."""


class Usage(BaseModel):
    """One page, by day, kind and subject."""

    usage: list[UsageRow]
    next: str | None
    """What `after` goes on with; None on the last page."""


def usage_operations(engine: Engine) -> list[Operation]:
    """`GET /api/usage` and `GET /api/tenants/{tenant_id}/usage`, as JSON or as a table."""

    async def usage(request: Request, visit: Visit) -> ASGIApp:
        return await _answer(engine, request, visit)

    async def usage_of_tenant(request: Request, principal: Principal) -> ASGIApp:
        return _LeasedAnswer(engine, request, principal, request.path_params["tenant_id"])

    query = {
        "from": "First day, `2026-01-31` (UTC).",
        "to": "Last day.",
        "subject": "Of one user, key or visitor alone.",
        "kind": f"One of: {', '.join(ENTERED_KINDS)}.",
        "by": "What is told apart, of `day,subject,kind`; all by default.",
        "after": "`next` of the page before.",
        "limit": f"Rows at most, 100 by default, {MOST_ROWS} at most.",
    }
    return [
        Operation(
            "GET",
            "/api/usage",
            "What was used, added up; with `Accept: text/csv` all of it as a table.",
            {200: Usage},
            for_tenant=usage,
            needs="usage.read",
            failures=(400,),
            query=query,
        ),
        Operation(
            "GET",
            "/api/tenants/{tenant_id}/usage",
            "The same of any tenant, suspended ones included.",
            {200: Usage},
            for_principal=usage_of_tenant,
            needs="platform.manage",
            failures=(400, 404),
            query=query,
        ),
    ]


@dataclass(frozen=True, slots=True)
class _LeasedAnswer:
    """Holds the lease until the answer has been sent: a table is read while it goes out."""

    engine: Engine
    request: Request
    principal: Principal
    tenant_id: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self.engine.leases.lease(self.tenant_id, even_suspended=True) as handle:
            answer = await _answer(self.engine, self.request, Visit(self.principal, handle))
            await answer(scope, receive, send)


async def _answer(engine: Engine, request: Request, visit: Visit) -> ASGIApp:
    query, ledger = _query(request), UsageLedger(visit.handle.database)
    if CSV in request.headers.get("accept", ""):
        log = engine.audit_log(visit.handle.id)
        await log.append(visit.principal.subject, "usage.exported", visit.handle.id)
        headers = {"content-disposition": 'attachment; filename="usage.csv"'}
        return StreamingResponse(ledger.csv(query), headers=headers, media_type=CSV)
    limit = max(1, min(whole_number(request, "limit", 100), MOST_ROWS))
    found = await ledger.totals(query, after=request.query_params.get("after"), limit=limit)
    more = found[-1].cursor if len(found) == limit else None
    return json_answer(Usage(usage=[UsageRow.model_validate(row) for row in found], next=more))


def _query(request: Request) -> UsageQuery:
    columns = frozenset(filter(None, request.query_params.get("by", "day,subject,kind").split(",")))
    known: tuple[UsageColumn, ...] = get_args(UsageColumn)
    if not columns or not columns <= set(known):
        raise InvalidRequest("by holds some of day, subject and kind, separated by commas.")
    asked = request.query_params.get("kind")
    if asked is not None and asked not in ENTERED_KINDS:
        raise InvalidRequest(f"kind is one of: {', '.join(ENTERED_KINDS)}.")
    return UsageQuery(
        first_day=day(request, "from"),
        last_day=day(request, "to"),
        subject=request.query_params.get("subject"),
        kind=next((kind for kind in ENTERED_KINDS if kind == asked), None),
        by=frozenset(column for column in known if column in columns),
    )
