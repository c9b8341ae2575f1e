"""Which documents somebody may look at and change: those for admins are not there for others. Layer 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aura_local.errors import NotFound, PermissionDenied
from aura_local.grounded_retrieval import audience_of
from aura_local.retrieval.labels import AUDIENCES, Audience

if TYPE_CHECKING:
    from starlette.requests import Request

    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine
    from aura_local.retrieval.documents import DocumentRecord
    from aura_server.authentication import Visit


def managed_by(principal: Principal) -> Audience:
    """The audience whose documents a principal may see in lists: a key that keeps documents sees them all."""
    if principal.kind == "key" and "documents.write" in principal.permissions:
        return "admins"
    return audience_of(principal)


def is_visible(record: DocumentRecord, audience: Audience) -> bool:
    """Whether somebody of this audience may know that the document exists."""
    return AUDIENCES.index(record.audience) <= AUDIENCES.index(audience)


async def visible_document(engine: Engine, request: Request, visit: Visit) -> DocumentRecord:
    """The document that the path names. Raises `NotFound`, also for one that is not for this principal."""
    record = await engine.ingestion.get(visit.handle, request.path_params["document_id"])
    if not is_visible(record, managed_by(visit.principal)):
        raise NotFound("There is no such document.")
    return record


def require_audience(principal: Principal, audience: Audience | None) -> None:
    """Raises `PermissionDenied` for an audience that would hide the document from who chooses it."""
    if audience is not None and AUDIENCES.index(audience) > AUDIENCES.index(managed_by(principal)):
        raise PermissionDenied("Only an admin makes documents that admins alone may see.")
