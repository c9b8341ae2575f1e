"""The secrets of one's own tenant, by name; no route shows a value. Layer 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from aura_local.storage.tenant_secrets import LONGEST_VALUE_BYTES
from aura_server.json_body import RequestBody, read_json
from aura_server.operations import Operation, json_answer

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine


class SecretValue(RequestBody):
    """What to keep; printable characters, at most 8 KiB."""

    value: SecretStr = Field(min_length=1, max_length=LONGEST_VALUE_BYTES)


class SecretShown(BaseModel):
    """All that is ever shown of a secret."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    updated_at: str


class SecretList(BaseModel):
    """By name."""

    secrets: list[SecretShown]


def secret_operations(engine: Engine) -> list[Operation]:
    """Everything under `/api/secrets`."""
    secrets = engine.administration.secrets

    async def list_all(_request: Request, principal: Principal) -> ASGIApp:
        shown = [SecretShown.model_validate(secret) for secret in await secrets.all(principal)]
        return json_answer(SecretList(secrets=shown))

    async def put(request: Request, principal: Principal) -> ASGIApp:
        asked = await read_json(request, SecretValue)
        await secrets.put(principal, request.path_params["secret_name"], asked.value.get_secret_value())
        return Response(status_code=204)

    async def remove(request: Request, principal: Principal) -> ASGIApp:
        await secrets.remove(principal, request.path_params["secret_name"])
        return Response(status_code=204)

    one = "/api/secrets/{secret_name}"
    return [
        Operation(
            "GET",
            "/api/secrets",
            "The names of all secrets; their values are never shown.",
            {200: SecretList},
            for_principal=list_all,
            needs="secrets.manage",
        ),
        Operation(
            "PUT",
            one,
            "Keep a secret, such as a provider's key, in place of an earlier one.",
            {204: None},
            for_principal=put,
            needs="secrets.manage",
            failures=(400, 415, 507),
            body=SecretValue,
        ),
        Operation(
            "DELETE",
            one,
            "Remove a secret for good.",
            {204: None},
            for_principal=remove,
            needs="secrets.manage",
            failures=(404,),
        ),
    ]
