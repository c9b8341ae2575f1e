"""The API keys of one's own tenant. Layer 5."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from aura_server.json_body import RequestBody, read_json
from aura_server.operations import Operation, json_answer

if TYPE_CHECKING:
    from aura_local.accounts.api_keys import ApiKey, IssuedKey
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine

MOST_OVERLAP_S: Final = 365 * 24 * 3600
"""What `credentials.key_overlap_s` can be set to; the setting decides."""


class KeyRequest(RequestBody):
    """What the key is for, and what it may do."""

    label: str = Field("", max_length=100)
    scopes: list[str] | None = Field(None, max_length=32, description="Left out: the usual ones.")
    expires_at: AwareDatetime | None = None


class RotationRequest(RequestBody):
    """How long the old key still works."""

    overlap_s: int = Field(0, ge=0, le=MOST_OVERLAP_S)


class Key(BaseModel):
    """What is known of a key; the key itself is not stored."""

    id: str
    label: str
    prefix: str
    scopes: list[str]
    created_at: str
    last_used_at: str | None
    expires_at: str | None
    revoked_at: str | None


class KeyList(BaseModel):
    """Keys, oldest first, revoked ones included."""

    keys: list[Key]


class NewKey(BaseModel):
    """Shown this once."""

    id: str
    key: str
    prefix: str


def key_operations(engine: Engine) -> list[Operation]:
    """Everything under `/api/keys`."""
    keys = engine.administration.keys

    async def list_all(_request: Request, principal: Principal) -> ASGIApp:
        return json_answer(KeyList(keys=[_shown(key) for key in await keys.all(principal)]))

    async def create(request: Request, principal: Principal) -> ASGIApp:
        asked = await read_json(request, KeyRequest)
        scopes = None if asked.scopes is None else frozenset(asked.scopes)
        expires_at: datetime | None = asked.expires_at
        return _new(await keys.create(principal, asked.label, scopes=scopes, expires_at=expires_at))

    async def rotate(request: Request, principal: Principal) -> ASGIApp:
        asked = await read_json(request, RotationRequest)
        overlap = timedelta(seconds=asked.overlap_s)
        return _new(await keys.rotate(principal, request.path_params["key_id"], overlap=overlap))

    async def revoke(request: Request, principal: Principal) -> ASGIApp:
        await keys.revoke(principal, request.path_params["key_id"])
        return Response(status_code=204)

    one = "/api/keys/{key_id}"
    return [
        Operation(
            "GET", "/api/keys", "All API keys.", {200: KeyList}, for_principal=list_all, needs="keys.manage"
        ),
        Operation(
            "POST",
            "/api/keys",
            "Make an API key; it can do no more than whoever makes it.",
            {201: NewKey},
            for_principal=create,
            needs="keys.manage",
            failures=(400, 415),
            body=KeyRequest,
        ),
        Operation(
            "POST",
            f"{one}/rotation",
            "A successor for a key, which works on for a while.",
            {201: NewKey},
            for_principal=rotate,
            needs="keys.manage",
            failures=(400, 404, 409, 415),
            body=RotationRequest,
        ),
        Operation(
            "DELETE",
            one,
            "Revoke a key for good; refused within a second, on open sockets too.",
            {204: None},
            for_principal=revoke,
            needs="keys.manage",
            failures=(404,),
        ),
    ]


def _new(issued: IssuedKey) -> Response:
    return json_answer(NewKey(id=issued.id, key=issued.key, prefix=issued.prefix), 201)


def _shown(key: ApiKey) -> Key:
    return Key(
        id=key.id,
        label=key.label,
        prefix=key.prefix,
        scopes=sorted(key.scopes),
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )
