"""Every socket times every credential times every way to present it, and every message before `start`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, get_args
from urllib.parse import quote

import pytest
from aura_server.voice_messages import CLIENT_MESSAGES
from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.server.matrix_scene import Scene, everything_of, forms_of
from tests.server.people import Credential
from tests.server.route_expectations import MESSAGES, SOCKETS
from tests.server.voice_client import voice_client

pytestmark = pytest.mark.anyio

SESSION_OVER = 1000


def _sockets_of(app: Starlette) -> set[str]:
    return {route.path for route in app.routes if isinstance(route, WebSocketRoute)}


async def test_every_socket_and_every_message_is_written_down(scene: Scene) -> None:
    app = scene.platform.app
    assert _sockets_of(app) == set(SOCKETS)
    assert {get_args(message.model_fields["type"].annotation)[0] for message in CLIENT_MESSAGES} == set(
        MESSAGES
    )
    others = [route for route in app.routes if not isinstance(route, Route | WebSocketRoute)]
    assert [(type(route), getattr(route, "path", None)) for route in others] == [(Mount, "")]


def socket_forms(value: str) -> dict[str, tuple[dict[str, str], dict[str, str], str, bool]]:
    """Headers, fields of `start`, query, and whether that presents the credential."""
    forms: dict[str, tuple[dict[str, str], dict[str, str], str, bool]] = {
        name: (headers, {}, "", worth == "itself") for name, (headers, _, worth) in forms_of(value).items()
    }
    forms["query"] = ({}, {}, f"?key={quote(value)}&token={quote(value)}", False)
    forms["start"] = ({}, {"key": value}, "", True)
    return forms


@pytest.mark.parametrize("path", SOCKETS)
async def test_every_credential_on_every_socket(scene: Scene, path: str) -> None:
    for credential in (*scene.credentials, *scene.scoped):
        value = credential.value
        for form, (headers, fields, query, presents) in socket_forms(value or "").items():
            if value is None and form != "start":
                continue
            close = await _try_socket(scene, path + query, credential, headers, fields)
            good = presents and SOCKETS[path] in (credential.permissions or ())
            denied = presents and not good and (credential.suspended or credential.permissions is not None)
            wanted = SESSION_OVER if good else 4403 if denied else 4401
            assert close == wanted, f"{path} as {credential.name} by {form}"
            scene.sockets += 1


async def _try_socket(
    scene: Scene, path: str, credential: Credential, headers: Mapping[str, str], fields: Mapping[str, str]
) -> int:
    """The close code: 1000 where a session was open, and ended because we said so."""
    start = {"type": "start", **{name: value for name, value in fields.items() if value}}
    options: dict[str, Any] = {"additional_headers": dict(headers), "origin": credential.origin}
    async with voice_client(scene.platform.sockets + path, start, **options) as client:
        with suppress(AssertionError):
            await client.until("ready")
            await client.send({"type": "stop"})
        return await client.until_closed()


async def test_a_ticket_opens_one_socket(scene: Scene) -> None:
    async with scene.platform.client(scene.credential("viewer").value) as client:
        for path in SOCKETS:
            ticket = (await client.post("/api/tickets")).json()["ticket"]
            once = Credential("fresh ticket", ticket)
            assert await _try_socket(scene, path, once, {}, {"key": ticket}) == SESSION_OVER
            assert await _try_socket(scene, path, once, {}, {"key": ticket}) == 4401


@pytest.mark.parametrize("path", SOCKETS)
async def test_no_message_is_heard_before_start(scene: Scene, path: str) -> None:
    examples: dict[str, dict[str, Any]] = {
        "text": {"text": "Who is there?"},
        "played": {"reply_id": 1, "samples": 1},
        "cancel": {},
        "stop": {},
    }
    first: list[Any] = [b"\0" * 64]
    first += [{"type": kind, **examples[kind]} for kind, needs in MESSAGES.items() if needs != "a credential"]
    good = scene.credential("admin").value
    for message in first:
        headers = {"authorization": f"Bearer {good}"}
        url = scene.platform.sockets + path
        async with voice_client(url, None, additional_headers=headers) as client:
            await client.send(message)
            assert await client.until_closed() == 4400
            assert client.all("ready") == []


@pytest.mark.parametrize("path", SOCKETS)
async def test_pages_of_unknown_origins_open_no_socket(scene: Scene, path: str) -> None:
    for origin in ("https://evil.example", "null", f"https://127.0.0.1:{scene.platform.port}.evil.example"):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(scene.platform.sockets + path, origin=origin, proxy=None):  # type: ignore[arg-type]
                pass
        assert refused.value.response.status_code == 403


async def test_nothing_of_the_other_tenant_has_changed(scene: Scene) -> None:
    """Last in the file: behind every cell of the matrix."""
    assert await everything_of(scene.platform, scene.theirs) == scene.before
