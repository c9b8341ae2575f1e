from __future__ import annotations

import pytest
from aura_server.authentication import presented_credential

from aura_local.errors import AuthenticationFailed
from tests.server.conftest import Product


def test_the_key_is_read_from_the_one_header() -> None:
    assert presented_credential({"authorization": "Bearer aura_x"}) == "aura_x"
    assert presented_credential({"authorization": "bearer  aura_x "}) == "aura_x"
    assert presented_credential({"x-api-key": "aura_x"}) is None


@pytest.mark.parametrize(
    "value", ["aura_x", "Basic aura_x", "Bearer", "Bearer ", "", "Bearer " + "a" * 4_097]
)
def test_other_forms_are_refused(value: str) -> None:
    with pytest.raises(AuthenticationFailed):
        presented_credential({"authorization": value})


@pytest.mark.anyio
async def test_a_revoked_key_stops_working(product: Product) -> None:
    catalog = product.engine.catalog
    tenant = await catalog.tenant_by_name("Alder Abbey")
    from aura_local.accounts.api_keys import ApiKeys

    keys = ApiKeys(catalog.database)
    issued = await keys.issue(tenant.id, "short-lived")
    await keys.revoke(tenant.id, issued.id)
    answer = await product.anonymous.get("/api/documents", headers={"authorization": f"Bearer {issued.key}"})
    assert answer.status_code == 401
    assert issued.key not in answer.text


@pytest.mark.anyio
async def test_liveness_description_and_page_need_no_key(product: Product) -> None:
    for path in ("/health", "/openapi.json", "/"):
        assert (await product.anonymous.get(path)).status_code == 200
