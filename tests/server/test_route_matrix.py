"""Every route times every credential times every way to present it: answered as written down, and no other.

What the attackers' tenant may not see or change lies in another one, with a word of its own in every text
field; afterwards that tenant's rows are what they were, and no answer held the word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import httpx
import pytest
from aura_server.app import all_operations
from aura_server.operations import Operation
from starlette.routing import Route

from tests.server.matrix_scene import CANARY, MADE_UP, Scene, everything_of, forms_of
from tests.server.people import Credential
from tests.server.route_expectations import ROUTES, Expected

pytestmark = pytest.mark.anyio


# --- the table is whole -------------------------------------------------------------------------------


def mismatches(operations: Iterable[Operation]) -> list[str]:
    """Routes that are not written down, or otherwise, and what is written down of no route."""
    served = {(operation.method, operation.path): operation for operation in operations}
    found = [f"{key} is not in route_expectations.py" for key in served.keys() - ROUTES.keys()]
    found += [f"{key} is no route" for key in ROUTES.keys() - served.keys()]
    for key in served.keys() & ROUTES.keys():
        needs = ROUTES[key].needs
        if (None if needs.startswith("nothing") else needs) != served[key].needs:
            found.append(f"{key} needs {served[key].needs}, and not {needs}")
    return found


async def test_every_route_is_written_down(scene: Scene) -> None:
    operations = all_operations(scene.platform.engine)
    assert mismatches(operations) == []
    routed = {
        (method, route.path)
        for route in scene.platform.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert routed == set(ROUTES)


async def test_a_route_that_is_not_written_down_is_found(scene: Scene) -> None:
    operations = all_operations(scene.platform.engine)
    openapi = operations[-1]
    more = Operation("GET", "/api/forgotten", "", {200: None}, for_anyone=openapi.for_anyone)
    assert mismatches([*operations, more]) == ["('GET', '/api/forgotten') is not in route_expectations.py"]
    assert mismatches(operations[:-1]) == ["('GET', '/openapi.json') is no route"]


# --- requests -----------------------------------------------------------------------------------------


def expected_status(expected: Expected, credential: Credential, worth: str) -> tuple[int, str | None]:
    """Status, and for a refusal its code."""
    optional = expected.needs == "nothing, but a credential is looked at"
    if expected.needs == "nothing" or (optional and worth == "nothing"):
        return expected.status, None
    needs = "status.read" if optional else expected.needs
    if worth == "itself" and credential.suspended:
        return 403, "tenant_suspended"
    if worth != "itself" or credential.permissions is None:
        return 401, "authentication_failed"
    if needs not in credential.permissions or (expected.tenants_only and credential.of_platform):
        return 403, "permission_denied"
    return expected.status, None


async def _ask(
    client: httpx.AsyncClient,
    key: tuple[str, str],
    ids: Mapping[str, str],
    headers: Mapping[str, str],
    query: Mapping[str, str],
) -> httpx.Response:
    method, template = key
    path = re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], template)
    body = ROUTES[key].body
    sent = body and {
        name: value.format(**ids) if isinstance(value, str) else value for name, value in body.items()
    }
    return await client.request(
        method, path, json=sent, headers=dict(headers), params={**ROUTES[key].query, **query}
    )


def _has_ids(key: tuple[str, str]) -> bool:
    return "{" in key[1] or "session_id" in (ROUTES[key].body or {})


async def _check_cell(
    scene: Scene,
    client: httpx.AsyncClient,
    key: tuple[str, str],
    credential: Credential,
    form: str,
    ids: Mapping[str, str],
) -> httpx.Response:
    """One request; its status, the code of its refusal, and what its answer must not hold."""
    headers, query, worth = forms_of(credential.value or "")[form]
    if credential.value is None:
        headers, query, worth = {}, {}, "nothing"
    if credential.origin is not None:
        headers = headers | {"origin": credential.origin}
    answer = await _ask(client, key, ids, headers, query)
    status, code = expected_status(ROUTES[key], credential, worth)
    cell = f"{key} as {credential.name} by {form}: {answer.text[:200]}"
    assert answer.status_code == status, cell
    if code is not None:
        assert answer.json()["error"]["code"] == code, cell
    for secret in (CANARY, *(scene.foreign[name] for name in ("document_id", "user_id", "key_id"))):
        assert secret not in answer.text, cell
    scene.requests += 1
    return answer


@pytest.mark.parametrize("key", ROUTES, ids=" ".join)
async def test_every_credential_in_every_form(scene: Scene, key: tuple[str, str]) -> None:
    async with scene.platform.client() as client:
        for credential in scene.credentials:
            # The owner may do everything to a tenant that exists.
            ids = MADE_UP if credential.of_platform else {**MADE_UP, **scene.foreign}
            for form in forms_of(credential.value or "") if credential.value else ("bearer",):
                await _check_cell(scene, client, key, credential, form, ids)
        for credential in scene.scoped:
            await _check_cell(scene, client, key, credential, "bearer", {**MADE_UP, **scene.foreign})


@pytest.mark.parametrize("key", [key for key in ROUTES if _has_ids(key)], ids=" ".join)
async def test_what_is_another_tenants_is_as_if_made_up(scene: Scene, key: tuple[str, str]) -> None:
    async with scene.platform.client() as client:
        for credential in (*scene.credentials, *scene.scoped):
            if credential.of_platform:
                continue
            existing, made_up = [
                await _check_cell(scene, client, key, credential, "bearer", ids)
                for ids in ({**MADE_UP, **scene.foreign}, MADE_UP)
            ]
            assert (existing.status_code, existing.content) == (made_up.status_code, made_up.content)


async def test_a_conversation_belongs_to_whoever_began_it(scene: Scene) -> None:
    key = ("POST", "/api/chat")
    async with scene.platform.client() as client:
        for credential in scene.credentials:
            await _check_cell(scene, client, key, credential, "bearer", {**MADE_UP, **scene.colleagues})


async def test_a_ticket_is_for_sockets_alone(scene: Scene) -> None:
    """Else one could be exchanged for the next, and outlive the token that it was made with."""
    accounts, admin = scene.platform.engine.accounts, scene.credential("admin")
    assert admin.value is not None
    principal = await scene.platform.engine.authenticate(admin.value)
    async with scene.platform.client() as client:
        for key in ROUTES:
            ticket = Credential("fresh ticket", accounts.tickets.issue(principal))
            await _check_cell(scene, client, key, ticket, "bearer", MADE_UP)


async def test_nothing_of_the_other_tenant_has_changed(scene: Scene) -> None:
    """Last in the file: behind every cell of the matrix."""
    assert await everything_of(scene.platform, scene.theirs) == scene.before
