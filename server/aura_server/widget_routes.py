"""The sites and kiosks of one's own tenant whose visitors may talk. Layer 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from aura_server.json_body import RequestBody, read_json
from aura_server.operations import Operation, json_answer

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine


class WidgetRequest(RequestBody):
    """A site with a widget, or a kiosk."""

    kind: Literal["widget", "kiosk"]
    label: str = Field("", max_length=100)
    origins: list[str] = Field([], max_length=32, description="Exact origins of the site; none: nobody may.")


class WidgetShown(BaseModel):
    """One site or kiosk."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: Literal["widget", "kiosk"]
    label: str
    origins: list[str]
    created_at: str
    revoked_at: str | None
    secret: str | None = None
    """A kiosk's enrolment secret, shown only when it is made."""


class WidgetList(BaseModel):
    """Oldest first."""

    widgets: list[WidgetShown]


def widget_operations(engine: Engine) -> list[Operation]:
    """Everything under `/api/widgets`."""
    widgets = engine.administration.widgets

    async def list_all(_request: Request, principal: Principal) -> ASGIApp:
        shown = [WidgetShown.model_validate(widget) for widget in await widgets.all(principal)]
        return json_answer(WidgetList(widgets=shown))

    async def add(request: Request, principal: Principal) -> ASGIApp:
        asked = await read_json(request, WidgetRequest)
        widget = await widgets.add(principal, asked.kind, asked.label, asked.origins)
        return json_answer(WidgetShown.model_validate(widget), 201)

    async def revoke(request: Request, principal: Principal) -> ASGIApp:
        await widgets.revoke(principal, request.path_params["widget_id"])
        return Response(status_code=204)

    return [
        Operation(
            "GET",
            "/api/widgets",
            "All sites and kiosks.",
            {200: WidgetList},
            for_principal=list_all,
            needs="widgets.manage",
        ),
        Operation(
            "POST",
            "/api/widgets",
            "Let the visitors of a site, or of a kiosk, talk.",
            {201: WidgetShown},
            for_principal=add,
            needs="widgets.manage",
            failures=(400, 415),
            body=WidgetRequest,
        ),
        Operation(
            "DELETE",
            "/api/widgets/{widget_id}",
            "Stop a site or kiosk; its visitors' tokens end within a second.",
            {204: None},
            for_principal=revoke,
            needs="widgets.manage",
            failures=(404,),
        ),
    ]
