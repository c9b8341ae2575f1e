"""How many voice sessions there may be, whose they are, and that a withdrawn right ends them."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import anyio
import pytest
from aura_server.voice_messages import Start

from aura_local.errors import PermissionDenied
from tests.server.voice_client import VoiceClient, until
from tests.server.voice_server import KEYS, VoiceServer, voice_server
from tests.support.virtual_time import VIRTUAL_TIME

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


ROOMY = {"sessions": 99, "sessions_per_tenant": 99, "sessions_per_user": 99, "sessions_per_address": 99}


async def sessions_of(server: VoiceServer, stack: AsyncExitStack, key: str, count: int) -> list[VoiceClient]:
    clients = [await stack.enter_async_context(server.client(start={"key": key})) for _ in range(count)]
    for client in clients:
        await client.until("ready")
    return clients


async def refusal(server: VoiceServer, key: str) -> str | None:
    """What one more session is refused with; None when it is not."""
    async with server.client(start={"key": key}) as client:
        await until(lambda: bool(client.events))
        if client.events[0]["type"] == "ready":
            return None
        assert client.events[0]["code"] == "too_many_sessions"
        assert await client.until_closed() == 4429
        return str(client.events[0]["message"])


@pytest.mark.parametrize(
    ("limit", "key", "whose"),
    [
        ("sessions", "key-one", "The server has no free"),
        ("sessions_per_tenant", "key-one", "of this tenant"),
        ("sessions_per_user", "ada", "All your voice sessions"),
        ("sessions_per_address", "key-one", "of your address"),
        ("sessions_per_address", "visitor", "of your address"),
    ],
)
async def test_sessions_up_to_each_limit(limit: str, key: str, whose: str) -> None:
    async with voice_server(limits=ROOMY | {limit: 3}) as server, AsyncExitStack() as stack:
        clients = await sessions_of(server, stack, key, 3)
        message = await refusal(server, key)
        assert message is not None
        assert whose in message
        await clients[0].socket.close()
        await until(lambda: server.registry.sessions == 2)
        assert await refusal(server, key) is None


async def test_the_limits_that_ship() -> None:
    async with voice_server() as server, AsyncExitStack() as stack:
        await sessions_of(server, stack, "ada", 3)
        assert "All your" in (await refusal(server, "ada") or "")
        await sessions_of(server, stack, "bob", 3)
        await sessions_of(server, stack, "key-one", 4)
        assert "of this tenant" in (await refusal(server, "key-one") or "")
        assert "of this tenant" in (await refusal(server, "visitor") or "")
        await sessions_of(server, stack, "key-two", 6)


async def test_the_limit_of_a_user_is_no_limit_of_keys_visitors_or_others() -> None:
    async with voice_server(limits=ROOMY | {"sessions_per_user": 1}) as server, AsyncExitStack() as stack:
        for key in ("ada", "bob"):
            await sessions_of(server, stack, key, 1)
        for key in ("key-one", "visitor"):
            await sessions_of(server, stack, key, 5)


async def test_a_session_belongs_to_whoever_began_it() -> None:
    async with voice_server() as server:
        async with server.client(start={"key": "ada"}) as client:
            ready = await client.until("ready")
            client.cut()
        for key in ("bob", "key-one", "key-two", "visitor"):
            async with server.client(start={"key": key, "resume": ready["resume"]}) as client:
                assert (await client.until("error"))["code"] == "not_resumable"
                assert await client.until_closed() == 4404
        async with server.client(start={"key": "ada", "resume": ready["resume"]}) as client:
            assert (await client.until("ready"))["resumed"]


async def test_who_may_not_talk_gets_no_session() -> None:
    async with voice_server() as server, server.client(start={"key": "mute"}) as client:
        assert (await client.until("error"))["code"] == "permission_denied"
        assert await client.until_closed() == 4403
        assert server.registry.sessions == 0


@pytest.mark.parametrize("speaking", [False, True])
async def test_a_withdrawn_right_ends_open_sessions_within_a_second(speaking: bool) -> None:
    async with voice_server(answer_samples=240_000) as server, AsyncExitStack() as stack:
        (ada,), (bob,) = [await sessions_of(server, stack, key, 1) for key in ("ada", "bob")]
        if speaking:
            await ada.send({"type": "text", "text": "Tell me everything."})
            await ada.until("reply_audio_started")
        server.engine.withdrawn.add(KEYS["ada"])
        began_s = anyio.current_time()
        assert await ada.until_closed() == 4401
        assert anyio.current_time() - began_s < 1
        assert [error["code"] for error in ada.all("error")] == ["access_withdrawn"]
        await bob.send({"type": "text", "text": "When?"})
        await bob.until("reply_started")
        await until(lambda: server.registry.sessions == 1)


async def test_a_right_is_withdrawn_from_dropped_sessions_too() -> None:
    async with voice_server() as server:
        async with server.client(start={"key": "ada"}) as client:
            ready = await client.until("ready")
            client.cut()
        server.engine.withdrawn.add(KEYS["ada"])
        await until(lambda: server.engine.leases.held == [])
        server.engine.withdrawn.clear()
        async with server.client(start={"key": "ada", "resume": ready["resume"]}) as client:
            await client.until("error")


async def test_one_holder_that_cannot_be_looked_up_does_not_shield_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.CRITICAL):
        async with voice_server() as server, AsyncExitStack() as stack:
            (ada,), (bob,) = [await sessions_of(server, stack, key, 1) for key in ("ada", "bob")]
            server.engine.unknown.add(KEYS["ada"])
            server.engine.withdrawn.add(KEYS["bob"])
            assert await bob.until_closed() == 4401
            assert not ada.closed.is_set()


async def test_an_owner_of_the_platform_has_no_voice_session() -> None:
    owner = replace(KEYS["ada"], tenant_id=None)
    async with voice_server() as server:
        with pytest.raises(PermissionDenied):
            await server.registry.create(owner, Start(type="start", key="x"))


@pytest.mark.parametrize(("resume_s", "resumable"), [(5, True), (0.05, False)])
async def test_a_dropped_session_waits_as_long_as_it_may_and_no_longer(
    resume_s: float, resumable: bool
) -> None:
    async with voice_server(limits={"resume_s": resume_s}) as server:
        async with server.client() as client:
            ready = await client.until("ready")
            client.cut()
        if not resumable:
            await until(lambda: server.registry.sessions == 0)
        async with server.client(start={"resume": ready["resume"]}) as client:
            if resumable:
                assert (await client.until("ready"))["resumed"]
            else:
                assert (await client.until("error"))["code"] == "not_resumable"
