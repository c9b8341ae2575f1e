"""The audit log of one's own tenant; for the platform's owner, that of the platform. Layer 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp

from aura_local.audit.chain import PLATFORM
from aura_local.audit.entries import AuditEntry
from aura_server.operations import Operation, json_answer
from aura_server.query_values import whole_number

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine

MOST_ENTRIES = 1_000


class AuditEntries(BaseModel):
    """Oldest first."""

    entries: list[AuditEntry]


class AuditState(BaseModel):
    """Whether the log is as it was written."""

    model_config = ConfigDict(from_attributes=True)

    entries: int
    head: str
    """Digest of the last entry: what to note elsewhere."""
    broken_at: int | None
    reason: str


def audit_operations(engine: Engine) -> list[Operation]:
    """Everything under `/api/audit`."""

    async def list_some(request: Request, principal: Principal) -> ASGIApp:
        after = whole_number(request, "after", 0)
        limit = min(whole_number(request, "limit", 100), MOST_ENTRIES)
        found = await engine.audit_log(principal.tenant_id or PLATFORM).entries(after=after, limit=limit)
        return json_answer(AuditEntries(entries=found))

    async def verify(request: Request, principal: Principal) -> ASGIApp:
        log = engine.audit_log(principal.tenant_id or PLATFORM)
        state = await log.verify(expected_head=request.query_params.get("head"))
        return json_answer(AuditState.model_validate(state))

    async def export(_request: Request, principal: Principal) -> ASGIApp:
        log = engine.audit_log(principal.tenant_id or PLATFORM)
        await log.append(principal.subject, "audit.exported", principal.tenant_id or PLATFORM)
        headers = {"content-disposition": 'attachment; filename="audit.jsonl"'}
        return StreamingResponse(log.export(), headers=headers, media_type="application/jsonl")

    return [
        Operation(
            "GET",
            "/api/audit",
            "Entries of the audit log.",
            {200: AuditEntries},
            for_principal=list_some,
            needs="audit.read",
            failures=(400,),
            query={
                "after": "Sequence number behind which to begin; 0 is the beginning.",
                "limit": f"Entries at most, 100 by default, {MOST_ENTRIES} at most.",
            },
        ),
        Operation(
            "GET",
            "/api/audit/verification",
            "Compute the whole chain again.",
            {200: AuditState},
            for_principal=verify,
            needs="audit.read",
            query={"head": "The head of an earlier verification, which the log must still contain."},
        ),
        Operation(
            "GET",
            "/api/audit/export",
            "All entries, one JSON object a line.",
            {200: "application/jsonl"},
            for_principal=export,
            needs="audit.read",
        ),
    ]
