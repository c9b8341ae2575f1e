"""The one table from our errors to HTTP statuses, WebSocket close codes and OpenAI error types. Layer 5.

`aura_local.errors` knows nothing about the wire; here each class gets its place on it. A subclass without
an entry inherits its parent's, but not the root's: a test fails on such a class, because "internal error"
is never what a deliberate error means.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aura_local import errors
from aura_local.errors import AuraError

log = logging.getLogger(__name__)

RETRY_AFTER_S: Final = 2
"""Advice to clients of a busy server, where the error does not know better; queues here drain in seconds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error belongs on each wire."""

    http_status: int
    close_code: int
    """WebSocket: 4000 + HTTP status where clients tell causes apart, else RFC 6455's own codes."""
    openai_type: str


PLACES: Final[Mapping[type[BaseException], Place]] = MappingProxyType(
    {
        AuraError: Place(500, 1011, "server_error"),
        errors.ConfigurationError: Place(500, 1011, "server_error"),
        errors.AuthenticationFailed: Place(401, 4401, "authentication_error"),
        errors.PermissionDenied: Place(403, 4403, "permission_error"),
        errors.TenantSuspended: Place(403, 4403, "permission_error"),
        errors.QuotaExceeded: Place(429, 4429, "insufficient_quota"),
        errors.NotFound: Place(404, 4404, "not_found_error"),
        errors.Conflict: Place(409, 4409, "conflict_error"),
        errors.InvalidRequest: Place(400, 4400, "invalid_request_error"),
        errors.ProtocolViolation: Place(400, 4400, "invalid_request_error"),
        errors.PayloadTooLarge: Place(413, 1009, "invalid_request_error"),
        errors.UnreadableInput: Place(422, 1007, "invalid_request_error"),
        errors.UnsupportedMedia: Place(415, 1003, "invalid_request_error"),
        errors.DocumentUnreadable: Place(422, 1007, "invalid_request_error"),
        errors.AudioUnreadable: Place(422, 1007, "invalid_request_error"),
        errors.Busy: Place(503, 1013, "server_error"),
        errors.LaneBusy: Place(503, 1013, "server_error"),
        errors.TooManySessions: Place(429, 4429, "rate_limit_error"),
        errors.TooManyRequests: Place(429, 4429, "rate_limit_error"),
        errors.DeadlineExceeded: Place(504, 4504, "server_error"),
        errors.EngineUnavailable: Place(503, 1011, "server_error"),
        errors.ModelMissing: Place(503, 1011, "server_error"),
        errors.ModelDamaged: Place(503, 1011, "server_error"),
        errors.StorageUnavailable: Place(503, 1011, "server_error"),
        errors.StorageFull: Place(507, 4507, "server_error"),
        errors.StorageDamaged: Place(500, 1011, "server_error"),
        errors.KeyUnavailable: Place(500, 1011, "server_error"),
        errors.DownloadFailed: Place(502, 1011, "server_error"),
        errors.EgressDenied: Place(403, 4403, "permission_error"),
    }
)

_ROUTING_CODES: Final = {
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_too_slow",
    413: "payload_too_large",
    431: "headers_too_large",
}


def place_of(error: BaseException) -> Place:
    """The entry of the nearest class along the method resolution order; anything foreign is internal."""
    return next((PLACES[kind] for kind in type(error).__mro__ if kind in PLACES), PLACES[AuraError])


def error_body(error: AuraError) -> dict[str, Any]:
    """What is wrong, as clients see it over HTTP and, under `error`, on a socket."""
    return {"error": {"code": error.code, "message": error.message, "retryable": error.retryable}}


def as_aura_error(error: BaseException) -> AuraError:
    """`error` itself, or for a foreign one an internal error that says nothing of what happened."""
    if isinstance(error, AuraError):
        return error
    return AuraError("Something went wrong inside the server; its log says where.", retryable=True)


def problem_response(error: BaseException) -> Response:
    """The answer to a request that ended in `error`."""
    problem, status = as_aura_error(error), place_of(error).http_status
    headers = {}
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="aura"'
    if status in (429, 503) and problem.retryable:
        headers["retry-after"] = str(_retry_after_s(problem))
    return JSONResponse(error_body(problem), status, headers)


def _retry_after_s(problem: AuraError) -> int:
    known_s = problem.retry_after_s if isinstance(problem, errors.TooManyRequests) else None
    # Rounded up, so that whoever waits that long is not a moment too early.
    return RETRY_AFTER_S if known_s is None else max(1, math.ceil(known_s))


def routing_problem(_request: Request, error: Exception) -> Response:
    """Starlette's own refusals (no such route, wrong method) in the shape of ours."""
    assert isinstance(error, HTTPException)
    code = _ROUTING_CODES.get(error.status_code, "http_error")
    message = error.detail if error.detail != HTTPStatus(error.status_code).phrase else ""
    problem = AuraError(message or f"{HTTPStatus(error.status_code).phrase}.", code=code)
    return JSONResponse(error_body(problem), error.status_code, error.headers)


class ProblemMiddleware:
    """Answers every error that a route raises; unknown ones are logged and told to nobody.

    Once an answer has begun its status can no longer be changed: the connection is closed instead, so
    that a cut answer is never taken for a whole one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def observed_send(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        except ClientDisconnect:
            return  # nobody is left to be answered
        except HTTPException as error:
            failure: Exception = error
            response = routing_problem(Request(scope), error)
        except Exception as error:
            failure = error
            if place_of(error).http_status >= 500 and not _is_expected(error):
                log.error("a request failed", exc_info=error)
            response = problem_response(error)
        else:
            return
        if begun:
            log.warning("an answer was cut short", extra={"error": type(failure).__name__})
            return  # an unfinished answer: the server closes the connection
        await response(scope, receive, send)


def _is_expected(error: Exception) -> bool:
    """Errors that say by themselves all there is to know: no stack of places is needed in the log."""
    return isinstance(error, AuraError) and type(error) is not AuraError
