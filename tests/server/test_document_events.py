"""The stream of what becomes of documents: everything first, then changes, until the right to it ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from aura_server import document_progress_routes

from aura_local.retrieval.document_progress import WATCHERS_PER_TENANT
from tests.server.people import Platform, settled
from tests.support.engine import ScriptedRoom

pytestmark = pytest.mark.anyio
EVENTS = "/api/documents/events"
ACCEPT = {"accept": "text/event-stream"}
HOURS = b"The museum opens at nine every day."


class Stream:
    """The events of an open stream, one after the other."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self) -> tuple[str, Any] | None:
        """None at the end."""
        name = ""
        with anyio.fail_after(20):
            async for line in self._lines:
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    return name, json.loads(line.removeprefix("data: "))
        return None

    async def comment(self) -> str:
        with anyio.fail_after(20):
            return await anext(line async for line in self._lines if line.startswith(":"))

    async def until(self, name: str) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        while not found or found[-1][0] != name:
            event = await self.next()
            assert event is not None, found
            found.append(event)
        return found


@asynccontextmanager
async def opened(platform: Platform, credential: str) -> AsyncIterator[Stream]:
    """Over a real connection: what leaves through it ends the server's side too."""
    headers = {**ACCEPT, "authorization": f"Bearer {credential}"}
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{platform.port}", trust_env=False) as client,
        client.stream("GET", EVENTS, headers=headers, timeout=20) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield Stream(answer.aiter_lines())


async def test_everything_that_is_there_then_everything_that_happens(platform: Platform) -> None:
    tenant = await platform.tenant("Stream Street")
    key = await platform.key(tenant)
    client = platform.client(key)
    there = await settled(client, "hours.txt", HOURS)
    async with opened(platform, key) as stream:
        first, current = await stream.until("current")
        assert (first[0], first[1]["id"], current[1]) == ("document", there, {})
        assert first[1] == (await client.get(f"/api/documents/{there}")).json()

        uploaded = await client.post("/api/documents/upload", files={"file": ("dogs.txt", b"No dogs here.")})
        states: list[Any] = []
        while not states or states[-1]["status"] != "indexed":
            name, document = await stream.next() or ("", {})
            assert (name, document["id"]) == ("document", uploaded.json()["id"])
            states.append(document)
        assert states[-1] == (await client.get(f"/api/documents/{document['id']}")).json()
        assert all(state["progress"] for state in states[:-1])

        await client.delete(f"/api/documents/{there}")
        assert await stream.next() == ("deleted", {"id": there})


async def test_progress_is_told_while_a_document_is_embedded(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = platform.engine._room
    assert isinstance(room, ScriptedRoom)
    held = anyio.Event()
    tenant = await platform.tenant("Progress Place")
    key = await platform.key(tenant)
    client = platform.client(key)
    async with opened(platform, key) as stream:
        await stream.until("current")
        monkeypatch.setattr(room.engines["embedder"].script, "hold", held)
        await client.post("/api/documents/upload", files={"file": ("hours.txt", HOURS)})
        seen: list[Any] = []
        while not seen or seen[-1]["passages_total"] is None:
            event = await stream.next()
            assert event is not None
            seen.append(event[1]["progress"])
        assert seen[-1] == {
            "stage": "embedding", "pages": None, "passages_done": 0, "passages_total": 1
        }  # fmt: skip
        held.set()
        events = await stream.until("document")
        while events[-1][1]["status"] != "indexed":
            events += await stream.until("document")


async def test_documents_for_admins_are_in_the_streams_of_admins_alone(platform: Platform) -> None:
    tenant = await platform.tenant("Label Lane")
    admin, viewer = [
        await platform.token(await platform.person(tenant, role, f"{role}@label.example"))
        for role in ("admin", "viewer")
    ]
    client = platform.client(admin)
    secret = await settled(client, "plan.txt", b"The vault is below.", "admins")
    open_to_all = await settled(client, "hours.txt", HOURS)
    async with opened(platform, admin) as admins, opened(platform, viewer) as viewers:
        assert {event[1].get("id") for event in await admins.until("current")} == {secret, open_to_all, None}
        assert {event[1].get("id") for event in await viewers.until("current")} == {open_to_all, None}
        await client.patch(f"/api/documents/{secret}", json={"sensitivity": "confidential"})
        await client.patch(f"/api/documents/{open_to_all}", json={"audience": "admins"})
        assert await viewers.next() == ("deleted", {"id": open_to_all})
        assert (await admins.next() or ("", {}))[1]["id"] == secret
        await client.patch(f"/api/documents/{open_to_all}", json={"audience": "members"})
        assert (await viewers.next() or ("", {}))[1]["id"] == open_to_all


async def test_the_stream_of_somebody_who_is_suspended_ends(platform: Platform) -> None:
    tenant = await platform.tenant("Ended End")
    viewer = await platform.person(tenant, "viewer", "vic@ended.example")
    async with opened(platform, await platform.token(viewer)) as stream:
        await stream.until("current")
        await platform.engine.accounts.directory.set_status(tenant.id, viewer.id, "suspended")
        name, error = await stream.next() or ("", {})
        assert (name, error["code"]) == ("error", "access_withdrawn")
        assert await stream.next() is None


async def test_what_another_process_does_is_found_with_the_heartbeat(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_progress_routes, "HEARTBEAT_S", 0.05)
    tenant = await platform.tenant("Heart House")
    key = await platform.key(tenant)
    document_id = await settled(platform.client(key), "hours.txt", HOURS)
    async with opened(platform, key) as stream:
        await stream.until("current")
        async with platform.engine.leases.lease(tenant.id) as handle:
            await handle.database.write(
                lambda database: (
                    database.execute(
                        "UPDATE documents SET name = 'other.txt', updated_at = '2030-01-01'"
                    ).rowcount
                )
            )
        name, document = await stream.next() or ("", {})
        assert (name, document["id"], document["name"]) == ("document", document_id, "other.txt")
        assert await stream.comment() == ": alive"


async def test_a_tenant_has_so_many_streams_and_a_client_that_leaves_makes_room(platform: Platform) -> None:
    tenant = await platform.tenant("Crowded Court")
    key = await platform.key(tenant)
    progress = platform.engine.ingestion.progress
    with anyio.fail_after(30):
        async with opened(platform, key) as stream:
            await stream.until("current")
            watches = progress._watches[tenant.id]
            watches.extend(watches[:1] * (WATCHERS_PER_TENANT - 1))
            refused = await platform.client(key).get(EVENTS, headers=ACCEPT)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_sessions")
            del watches[1:]
        while tenant.id in progress._watches:
            await anyio.lowlevel.checkpoint()
    async with opened(platform, key) as stream:
        await stream.until("current")


async def test_without_asking_for_events_there_are_none(platform: Platform) -> None:
    tenant = await platform.tenant("Plain Plaza")
    answer = await platform.client(await platform.key(tenant)).get(EVENTS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
