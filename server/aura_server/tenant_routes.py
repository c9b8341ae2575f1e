"""The tenants of the platform, for its owner. Layer 5.

The owner runs tenants and reads none of their documents: there is no way from here to what they hold, but the
export, which is audited in the tenant's own log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from aura_server.json_body import RequestBody, read_json
from aura_server.operations import Operation, json_answer
from aura_server.people_routes import InvitationRequest, SingleUseLink, link_answer

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine


class TenantRequest(RequestBody):
    """A new tenant."""

    name: str = Field(min_length=1, max_length=64)
    tier: str | None = Field(None, max_length=64, description="Left out: the default tier.")


class TenantChange(RequestBody):
    """What is to change; the rest stays."""

    name: str | None = Field(None, min_length=1, max_length=64)
    status: Literal["active", "suspended"] | None = None
    tier: str | None = Field(None, max_length=64)
    public_page: bool | None = None


class OwnTenantChange(RequestBody):
    """What a tenant's own administrators decide."""

    public_page: bool


class TenantShown(BaseModel):
    """One tenant."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    status: Literal["active", "suspended"]
    tier: str | None
    public_page: bool
    created_at: str


class TenantList(BaseModel):
    """By name."""

    tenants: list[TenantShown]


def tenant_operations(engine: Engine) -> list[Operation]:
    """Everything under `/api/tenants`."""
    administration = engine.administration
    tenants = administration.tenants

    async def list_all(_request: Request, principal: Principal) -> ASGIApp:
        shown = [TenantShown.model_validate(tenant) for tenant in await tenants.all(principal)]
        return json_answer(TenantList(tenants=shown))

    async def look_at(request: Request, principal: Principal) -> ASGIApp:
        return await _shown(principal, request.path_params["tenant_id"])

    async def look_at_own(_request: Request, principal: Principal) -> ASGIApp:
        return json_answer(TenantShown.model_validate(await engine.catalog.tenant(principal.tenant)))

    async def change_own(request: Request, principal: Principal) -> ASGIApp:
        asked = await read_json(request, OwnTenantChange)
        await tenants.set_public_page(principal, principal.tenant, public=asked.public_page)
        return await look_at_own(request, principal)

    async def create(request: Request, principal: Principal) -> ASGIApp:
        asked = await read_json(request, TenantRequest)
        tenant = await tenants.create(principal, asked.name, tier=asked.tier)
        return json_answer(TenantShown.model_validate(tenant), 201)

    async def change(request: Request, principal: Principal) -> ASGIApp:
        tenant_id = request.path_params["tenant_id"]
        asked = await read_json(request, TenantChange)
        tenants.check_tier(asked.tier)  # before anything is changed
        if asked.name is not None:
            await tenants.rename(principal, tenant_id, asked.name)
        if "tier" in asked.model_fields_set:
            await tenants.set_tier(principal, tenant_id, asked.tier)
        if asked.public_page is not None:
            await tenants.set_public_page(principal, tenant_id, public=asked.public_page)
        if asked.status == "suspended":
            await tenants.suspend(principal, tenant_id)
        elif asked.status == "active":
            await tenants.resume(principal, tenant_id)
        return await _shown(principal, tenant_id)

    async def invite(request: Request, principal: Principal) -> ASGIApp:
        asked = await read_json(request, InvitationRequest)
        tenant = await tenants.one(principal, request.path_params["tenant_id"])
        return link_answer(
            await administration.people.invite(principal, asked.email, asked.role, tenant_id=tenant.id)
        )

    async def erase(request: Request, principal: Principal) -> ASGIApp:
        await tenants.erase(principal, request.path_params["tenant_id"])
        return Response(status_code=204)

    async def _shown(principal: Principal, tenant_id: str) -> Response:
        return json_answer(TenantShown.model_validate(await tenants.one(principal, tenant_id)))

    one = "/api/tenants/{tenant_id}"
    return [
        Operation(
            "GET",
            "/api/tenant",
            "One's own tenant.",
            {200: TenantShown},
            for_principal=look_at_own,
            needs="tenant.manage",
        ),
        Operation(
            "PATCH",
            "/api/tenant",
            "Whether anybody may talk to the page of one's own tenant, seeing public documents alone.",
            {200: TenantShown},
            for_principal=change_own,
            needs="tenant.manage",
            failures=(400, 415),
            body=OwnTenantChange,
        ),
        Operation(
            "GET",
            "/api/tenants",
            "All tenants.",
            {200: TenantList},
            for_principal=list_all,
            needs="platform.manage",
        ),
        Operation(
            "POST",
            "/api/tenants",
            "Make a tenant.",
            {201: TenantShown},
            for_principal=create,
            needs="platform.manage",
            failures=(400, 409, 415),
            body=TenantRequest,
        ),
        Operation(
            "GET",
            one,
            "One tenant.",
            {200: TenantShown},
            for_principal=look_at,
            needs="platform.manage",
            failures=(404,),
        ),
        Operation(
            "PATCH",
            one,
            "Rename, suspend, resume, set the tier or the public page of a tenant.",
            {200: TenantShown},
            for_principal=change,
            needs="platform.manage",
            failures=(400, 404, 409, 415),
            body=TenantChange,
        ),
        Operation(
            "DELETE",
            one,
            "Erase a tenant: its key first, then its files. There is no way back.",
            {204: None},
            for_principal=erase,
            needs="platform.manage",
            failures=(404, 409),
        ),
        Operation(
            "POST",
            f"{one}/users",
            "Invite a person into a tenant, its first administrator above all.",
            {201: SingleUseLink},
            for_principal=invite,
            needs="platform.manage",
            failures=(400, 404, 409, 415),
            body=InvitationRequest,
        ),
    ]
