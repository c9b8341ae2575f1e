"""`GET /openapi.json`, made from the table of operations and the models they name. Layer 5."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from aura_local import __version__
from aura_server.operations import Operation

_REFERENCES: Final = "#/components/schemas/{model}"
_DESCRIPTION: Final = (
    "A voice AI that answers from your own documents, offline. All paths but `/health`, `/openapi.json` and "
    "the pages need an API key (`Authorization: Bearer <key>`); the tenant comes from the key alone. "
    "Conversations run over the WebSocket `/ws/voice/continuous`, which OpenAPI cannot describe: its "
    "messages are in `server/README.md`."
)


class ErrorDetail(BaseModel):
    """What is wrong."""

    code: str
    """Stable, for programs."""
    message: str
    """One sentence, for people."""
    retryable: bool
    """Whether the same request may succeed later."""


class Problem(BaseModel):
    """Body of every answer that is not a success."""

    error: ErrorDetail


def openapi_document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole description, OpenAPI 3.1."""
    models = _models(operations)
    _, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template=_REFERENCES
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "AURA Local", "version": __version__, "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _models(operations: Sequence[Operation]) -> list[type[BaseModel]]:
    named: list[type[BaseModel]] = [Problem]
    for operation in operations:
        for candidate in (operation.body, *operation.answers.values()):
            if isinstance(candidate, type) and candidate not in named:
                named.append(candidate)
    return named


def _describe(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{operation.method.lower()}_{re.sub(r'[^a-z]+', '_', operation.path).strip('_')}",
        "responses": _responses(operation),
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)", operation.path)
    ]
    parameters += [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in operation.query.items()
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _request_content(operation)}
    if operation.needs is not None:
        described["security"] = [{"bearer": []}]
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in operation.answers.items():
        responses[str(status)] = {"description": HTTPStatus(status).phrase}
        if answer is not None:
            responses[str(status)]["content"] = _answer_content(answer)
    usual = (401, 403, 429, 503) if operation.needs is not None else ()
    for status in sorted({*usual, *operation.failures}):
        responses.setdefault(
            str(status),
            {
                "description": HTTPStatus(status).phrase,
                "content": {"application/json": {"schema": _reference(Problem)}},
            },
        )
    return responses


def _answer_content(answer: type[BaseModel] | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {answer: {"schema": {"type": "object" if answer == "application/json" else "string"}}}
    return {"application/json": {"schema": _reference(answer)}}


def _request_content(operation: Operation) -> dict[str, Any]:
    if isinstance(operation.body, type):
        return {"application/json": {"schema": _reference(operation.body)}}
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = {"type": "object", "required": ["file"], "properties": {"file": file}}
    return {"multipart/form-data": {"schema": form}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCES.format(model=model.__name__)}
