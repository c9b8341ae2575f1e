from __future__ import annotations

import pytest
from aura_server.authentication import presented_key
from starlette.routing import Route

from aura_local.errors import AuthenticationFailed
from tests.server.conftest import Product

ANONYMOUS = {("GET", "/health"), ("GET", "/openapi.json")}


def test_the_key_is_read_from_the_one_header() -> None:
    assert presented_key({"authorization": "Bearer aura_x"}) == "aura_x"
    assert presented_key({"authorization": "bearer  aura_x "}) == "aura_x"
    assert presented_key({"x-api-key": "aura_x"}) is None


@pytest.mark.parametrize("value", ["aura_x", "Basic aura_x", "Bearer", "Bearer ", "", "Bearer " + "a" * 201])
def test_other_forms_are_refused(value: str) -> None:
    with pytest.raises(AuthenticationFailed):
        presented_key({"authorization": value})


@pytest.mark.anyio
async def test_every_route_but_the_named_ones_needs_a_key(product: Product) -> None:
    """Generated from the application, so that no new route is forgotten."""
    checked = 0
    for route in product.app.routes:
        if not isinstance(route, Route):
            continue
        for method in sorted((route.methods or set()) - {"HEAD"}):
            if (method, route.path) in ANONYMOUS:
                continue
            path = route.path.replace("{document_id}", "doc_0")
            for headers in (
                {},
                {"authorization": "Bearer aura_aaaaaaaaaaaa_" + "b" * 43},
                {"authorization": "Basic YTpi"},
                {"x-api-key": product.client.headers["authorization"][7:]},
                {"cookie": f"key={product.client.headers['authorization'][7:]}"},
            ):
                answer = await product.anonymous.request(method, path, headers=headers)
                assert answer.status_code == 401, (method, path, headers)
                assert answer.json()["error"]["code"] == "authentication_failed"
                assert answer.headers["www-authenticate"] == 'Bearer realm="aura"'
                checked += 1
    assert checked >= 8 * 5


@pytest.mark.anyio
async def test_a_revoked_key_stops_working(product: Product) -> None:
    catalog = product.engine.catalog
    tenant = await catalog.tenant_by_name("Alder Abbey")
    from aura_local.accounts.credentials import issue

    issued = await issue(catalog, tenant.id, "short-lived")
    await catalog.revoke_api_key(tenant.id, issued.id)
    answer = await product.anonymous.get("/api/documents", headers={"authorization": f"Bearer {issued.key}"})
    assert answer.status_code == 401
    assert issued.key not in answer.text


@pytest.mark.anyio
async def test_liveness_description_and_page_need_no_key(product: Product) -> None:
    for path in ("/health", "/openapi.json", "/"):
        assert (await product.anonymous.get(path)).status_code == 200
