"""A JSON request body as a pydantic model. Layer 5."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from aura_local.errors import InvalidRequest, UnsupportedMedia


class RequestBody(BaseModel):
    """Unknown fields are refused: a tenant, an owner or a time can never be set from a body."""

    model_config = ConfigDict(extra="forbid")


Model = TypeVar("Model", bound=BaseModel)


async def read_json(request: Request, model: type[Model]) -> Model:
    """Raises `UnsupportedMedia` for other content types, `InvalidRequest` naming the first wrong field.

    The size is bounded by `limits.BodyMiddleware`. The message never repeats what was sent.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise UnsupportedMedia("Send the request as application/json.")
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if problem["type"] == "json_invalid":
            raise InvalidRequest("The request body is not valid JSON.") from error
        field = ".".join(map(str, problem["loc"])) or "the body"
        raise InvalidRequest(f"{field}: {problem['msg']}.") from error
