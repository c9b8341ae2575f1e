from __future__ import annotations

import json
import re
from typing import Any

import pytest
from starlette.routing import Route

from tests.server.conftest import Product

pytestmark = pytest.mark.anyio


async def described(product: Product) -> dict[str, Any]:
    document: dict[str, Any] = (await product.anonymous.get("/openapi.json")).json()
    return document


async def test_every_route_is_described_and_nothing_else(product: Product) -> None:
    document = await described(product)
    routed = {
        (method.lower(), route.path)
        for route in product.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    written = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert written == routed


async def test_references_resolve_and_ids_are_unique(product: Product) -> None:
    document = await described(product)
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert names <= set(document["components"]["schemas"])
    ids = [
        operation["operationId"] for methods in document["paths"].values() for operation in methods.values()
    ]
    assert len(ids) == len(set(ids))


async def test_access_and_bodies_are_described(product: Product) -> None:
    paths = (await described(product))["paths"]
    assert paths["/api/chat"]["post"]["security"] == [{"bearer": []}]
    assert "security" not in paths["/health"]["get"]
    assert "multipart/form-data" in paths["/api/documents/upload"]["post"]["requestBody"]["content"]
    assert paths["/api/documents/{document_id}"]["get"]["parameters"][0]["name"] == "document_id"
    assert set(paths["/api/chat"]["post"]["responses"]) >= {"200", "400", "401", "413", "503"}


async def test_what_chat_answers_is_what_is_described(product: Product) -> None:
    answer = (await product.client.post("/api/chat", json={"question": "anything at all"})).json()
    schema = (await described(product))["components"]["schemas"]["ChatAnswer"]
    assert set(answer) == set(schema["properties"])
