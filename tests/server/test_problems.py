from __future__ import annotations

import json
import logging

import pytest
from aura_server.problems import (
    PLACES,
    ProblemMiddleware,
    as_aura_error,
    place_of,
    problem_response,
    routing_problem,
)
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from aura_local import errors
from aura_local.errors import AuraError


def all_subclasses(kind: type[AuraError]) -> set[type[AuraError]]:
    return {kind}.union(*(all_subclasses(child) for child in kind.__subclasses__()))


ALL_ERRORS = sorted(
    (kind for kind in all_subclasses(AuraError) if kind.__module__ == errors.__name__),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", ALL_ERRORS)
def test_every_error_has_an_entry(kind: type[AuraError]) -> None:
    assert kind in PLACES


@pytest.mark.parametrize("kind", PLACES)
def test_every_entry_is_sound(kind: type[BaseException]) -> None:
    place = PLACES[kind]
    assert 400 <= place.http_status < 600
    # Codes that an endpoint may send: the registered ones and the private range (RFC 6455 7.4).
    assert place.close_code in {1003, 1007, 1008, 1009, 1011, 1013} or 4000 <= place.close_code < 5000
    assert place.openai_type.endswith("_error") or place.openai_type == "insufficient_quota"


def test_a_subclass_without_an_entry_takes_its_parents() -> None:
    class Later(errors.StorageFull):
        pass

    assert place_of(Later("full")) == PLACES[errors.StorageFull]
    assert place_of(ValueError("foreign")) == PLACES[AuraError]


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (errors.AuthenticationFailed("No."), 401, {"www-authenticate": 'Bearer realm="aura"'}),
        (errors.NotFound("No."), 404, {}),
        (errors.PayloadTooLarge("No."), 413, {}),
        (errors.UnsupportedMedia("No."), 415, {}),
        (errors.DocumentUnreadable("No."), 422, {}),
        (errors.TooManySessions("No."), 429, {"retry-after": "2"}),
        (errors.TooManyRequests("No."), 429, {"retry-after": "2"}),
        (errors.TooManyRequests("No.", retry_after_s=841.2), 429, {"retry-after": "842"}),
        (errors.TooManyRequests("No.", retry_after_s=0.2), 429, {"retry-after": "1"}),
        (errors.LaneBusy("No."), 503, {"retry-after": "2"}),
        (errors.ModelMissing("No."), 503, {}),
        (errors.EngineUnavailable("Loading.", retryable=True), 503, {"retry-after": "2"}),
        (errors.StorageFull("No."), 507, {}),
    ],
)
def test_answers(error: AuraError, status: int, headers: dict[str, str]) -> None:
    response = problem_response(error)
    assert response.status_code == status
    assert json.loads(bytes(response.body)) == {
        "error": {"code": error.code, "message": error.message, "retryable": error.retryable}
    }
    shown = {
        name: response.headers[name]
        for name in ("www-authenticate", "retry-after")
        if name in response.headers
    }
    assert shown == headers


def test_a_foreign_error_tells_nothing() -> None:
    error = as_aura_error(ValueError("spoken words"))
    assert error.code == "internal_error"
    assert "spoken" not in error.message


async def run(app: Starlette, path: str, method: str = "GET") -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [],
        "query_string": b"",
        "root_path": "",
    }
    await app(scope, receive, send)
    return sent


def failing_app(failure: Exception, *, after_start: bool = False) -> Starlette:
    class Failing:
        async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
            if after_start:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            raise failure

    return Starlette(
        routes=[Route("/fails", Failing(), methods=["GET"])],
        middleware=[Middleware(ProblemMiddleware)],
        exception_handlers={HTTPException: routing_problem},
    )


@pytest.mark.anyio
async def test_unknown_exceptions_are_logged_and_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        start, body = await run(failing_app(ValueError("spoken words")), "/fails")
    assert start["status"] == 500
    assert json.loads(body["body"])["error"]["code"] == "internal_error"
    assert b"spoken" not in body["body"]
    assert [record.getMessage() for record in caplog.records] == ["a request failed"]


@pytest.mark.anyio
async def test_an_error_after_the_start_leaves_the_answer_unfinished() -> None:
    sent = await run(failing_app(errors.LaneBusy("Later."), after_start=True), "/fails")
    assert [message["type"] for message in sent] == ["http.response.start"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [("/nowhere", "GET", 404, "not_found"), ("/fails", "POST", 405, "method_not_allowed")],
)
async def test_refusals_of_the_router_have_our_shape(path: str, method: str, status: int, code: str) -> None:
    start, body = await run(failing_app(errors.Busy("")), path, method)
    assert start["status"] == status
    assert json.loads(body["body"])["error"]["code"] == code


@pytest.mark.anyio
async def test_http_exceptions_raised_by_middleware_keep_their_detail() -> None:
    start, body = await run(failing_app(HTTPException(408, "Too slow.")), "/fails")
    assert start["status"] == 408
    assert json.loads(body["body"])["error"] == {
        "code": "request_too_slow",
        "message": "Too slow.",
        "retryable": False,
    }


def test_routing_problem_needs_no_request() -> None:
    response: Response = routing_problem(Request({"type": "http"}), HTTPException(404))
    assert response.status_code == 404
