"""What every answer of every route carries, and what none does."""

from __future__ import annotations

import re

import pytest
from starlette.routing import Mount, Route, WebSocketRoute

from tests.server.conftest import Product

pytestmark = pytest.mark.anyio


def every_request(product: Product) -> list[tuple[str, str]]:
    """Each method of each route, with made-up ids, and what no route knows."""
    routes = [route for route in product.app.routes if isinstance(route, Route)]
    known = [
        (method, re.sub(r"\{[^}]*\}", "unknown", route.path))
        for route in routes
        for method in sorted(route.methods or ())
    ]
    assert len(known) > 10
    return [*known, ("GET", "/"), ("GET", "/nowhere"), ("PUT", "/"), ("TRACE", "/api/documents")]


async def test_no_answer_sets_a_cookie_and_every_answer_is_guarded(product: Product) -> None:
    for client in (product.client, product.anonymous):
        for method, path in every_request(product):
            answer = await client.request(method, path, content=b"{}" if method != "GET" else None)
            place = f"{method} {path}: {answer.status_code}"
            assert answer.status_code < 500 or answer.status_code == 503, place
            assert "set-cookie" not in answer.headers, place
            assert answer.headers["x-content-type-options"] == "nosniff", place
            assert answer.headers["cross-origin-resource-policy"] == "same-origin", place
            policy = answer.headers["content-security-policy"]
            assert "unsafe" not in policy, place
            assert "require-trusted-types-for 'script'" in policy, place
            assert not [name for name in answer.headers if name.startswith("access-control-")], place


async def test_a_cookie_gives_no_access(product: Product) -> None:
    key = product.client.headers["authorization"].removeprefix("Bearer ")
    for cookie in (f"authorization=Bearer {key}", f"key={key}", f"session={key}"):
        answer = await product.anonymous.get("/api/documents", headers={"cookie": cookie})
        assert answer.status_code == 401
    assert (await product.anonymous.get("/api/documents", params={"key": key})).status_code == 401


async def test_an_original_comes_as_a_download_whatever_it_is(product: Product) -> None:
    page = b"<!doctype html><script>alert(1)</script><p>The museum opens at nine.</p>"
    files = {"file": ('x"; filename=evil.html\r\n.html', page, "text/html")}
    upload = await product.client.post("/api/documents/upload", files=files, params={"wait": "true"})
    assert upload.status_code in (200, 201, 202)
    original = await product.client.get(f"/api/documents/{upload.json()['id']}/original")
    assert original.status_code == 200
    assert original.headers["content-disposition"].startswith("attachment;")
    assert "\r" not in original.headers["content-disposition"]
    assert original.headers["x-content-type-options"] == "nosniff"


async def test_every_socket_goes_through_the_check_of_origins(product: Product) -> None:
    sockets = [route for route in product.app.routes if isinstance(route, WebSocketRoute | Mount)]
    assert sockets
    for path in ("/ws/voice/continuous", "/ws/nowhere"):
        answer = await product.anonymous.get(
            path,
            headers={
                "origin": "https://evil.example",
                "connection": "Upgrade",
                "upgrade": "websocket",
                "sec-websocket-version": "13",
                "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
            },
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed")
