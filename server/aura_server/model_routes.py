"""Which model does a job, for the platform's owner. Layer 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.types import ASGIApp

from aura_local.model_use import use_model
from aura_server.json_body import RequestBody, read_json
from aura_server.operations import Operation, json_answer

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine


class ModelRequest(RequestBody):
    """A model to use from now on."""

    name: str = Field(min_length=1, max_length=128, description="Of `aura models list`; installed.")


class ModelInUse(BaseModel):
    """Which job it does now."""

    model_config = ConfigDict(from_attributes=True)

    job: str
    model: str
    kept: bool
    """Whether it will after the next start as well."""
    note: str
    """Why not, where it will not."""


def model_operations(engine: Engine) -> list[Operation]:
    """Everything under `/api/models`."""

    async def use(request: Request, principal: Principal) -> ASGIApp:
        asked = await read_json(request, ModelRequest)
        return json_answer(ModelInUse.model_validate(await use_model(engine, principal, asked.name)))

    return [
        Operation(
            "POST",
            "/api/models/use",
            "Use another installed model; conversations go on, and their next turn has it. "
            "Answers when it is loaded.",
            {200: ModelInUse},
            for_principal=use,
            needs="platform.manage",
            failures=(400, 404, 409, 415),
            body=ModelRequest,
        )
    ]
