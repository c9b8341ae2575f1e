"""Which pages may read our answers and open our sockets: exactly those that are named, and our own."""

from __future__ import annotations

import pytest
from aura_server.cross_origin import CrossOriginMiddleware
from aura_server.problems import ProblemMiddleware
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from aura_local.errors import AuthenticationFailed
from aura_local.settings import ServerSettings

LISTED = "https://intranet.example"
STRANGERS = [
    "https://evil.example",
    "http://intranet.example",
    "https://intranet.example:8443",
    "https://intranet.example.evil.example",
    "https://sub.intranet.example",
    "https://INTRANET.example",
    "https://intranet.example/",
    "null",
    "",
    "http://[",
    "file://testserver",
]


async def answer(_request: Request) -> Response:
    return PlainTextResponse("secret", headers={"vary": "Accept"})


async def fail(_request: Request) -> Response:
    raise AuthenticationFailed("No.")


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


@pytest.fixture
def client() -> TestClient:
    app = Starlette(
        routes=[
            Route("/api/documents", answer, methods=["GET", "POST"]),
            Route("/api/fail", fail),
            Route("/page", answer),
            WebSocketRoute("/ws/voice/continuous", greet),
            WebSocketRoute("/ws/of/the/future", greet),
        ],
        middleware=[
            Middleware(CrossOriginMiddleware, allowed_origins=(LISTED,)),
            Middleware(ProblemMiddleware),
        ],
    )
    return TestClient(app)


def cors_headers(response: object) -> dict[str, str]:
    headers = response.headers  # type: ignore[attr-defined]
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


def test_a_listed_origin_may_read_and_no_credentials_are_asked_for(client: TestClient) -> None:
    response = client.get("/api/documents", headers={"origin": LISTED})
    assert cors_headers(response) == {
        "access-control-allow-origin": LISTED,
        "access-control-expose-headers": "content-disposition, retry-after",
    }
    assert response.headers["vary"] == "Accept, Origin"


def test_errors_can_be_read_too(client: TestClient) -> None:
    response = client.get("/api/fail", headers={"origin": LISTED})
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == LISTED


@pytest.mark.parametrize("origin", STRANGERS)
def test_other_origins_get_no_cors_header_at_all(client: TestClient, origin: str) -> None:
    for response in (
        client.get("/api/documents", headers={"origin": origin}),
        client.options("/api/documents", headers={"origin": origin, "access-control-request-method": "POST"}),
    ):
        assert cors_headers(response) == {}
        assert "Origin" in response.headers["vary"]


def test_without_an_origin_caches_are_told_as_well(client: TestClient) -> None:
    response = client.get("/api/documents")
    assert cors_headers(response) == {}
    assert "Origin" in response.headers["vary"]


def test_a_preflight_is_answered_without_reaching_the_route(client: TestClient) -> None:
    asked = {
        "origin": LISTED,
        "access-control-request-method": "DELETE",
        "access-control-request-headers": "authorization",
    }
    response = client.options("/api/nowhere/at/all", headers=asked)
    assert response.status_code == 204
    assert cors_headers(response) == {
        "access-control-allow-origin": LISTED,
        "access-control-expose-headers": "content-disposition, retry-after",
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "authorization, content-type",
        "access-control-max-age": "600",
    }


def test_only_the_api_is_shared(client: TestClient) -> None:
    assert cors_headers(client.get("/page", headers={"origin": LISTED})) == {}


@pytest.mark.parametrize("path", ["/ws/voice/continuous", "/ws/of/the/future"])
@pytest.mark.parametrize("origin", [*STRANGERS, "http://testserver:80", "http://testserver@evil.example"])
def test_no_socket_opens_for_a_stranger(client: TestClient, path: str, origin: str) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(path, headers={"origin": origin}):
        raise AssertionError("the socket opened")


@pytest.mark.parametrize("origin", [LISTED, "http://testserver", "https://testserver", None])
def test_sockets_open_for_our_pages_listed_ones_and_programs(client: TestClient, origin: str | None) -> None:
    headers = {} if origin is None else {"origin": origin}
    with client.websocket_connect("/ws/of/the/future", headers=headers):
        pass


@pytest.mark.parametrize(
    "origin",
    ["*", "https://*.example", "intranet.example", "https://a.example/", "https://A.example", "null", ""],
)
def test_an_origin_that_could_never_match_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValidationError, match="an origin is a scheme"):
        ServerSettings(allowed_origins=(origin,))


def test_exact_origins_are_taken() -> None:
    origins = ("https://a.example", "http://127.0.0.1:8080", "https://[::1]:8443")
    assert ServerSettings(allowed_origins=origins).allowed_origins == origins
