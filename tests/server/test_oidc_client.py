"""Requests to an identity provider: permitted, in the audit log, bounded, and checked by certificate."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from aura_server.oidc_client import ProviderConnection, audited

from aura_local.accounts.identity_provider import IdentityProvider as Protocol
from aura_local.accounts.identity_provider import ProviderRequest
from aura_local.accounts.sign_in_attempts import SignInAttempts
from aura_local.audit.chain import PLATFORM
from aura_local.commands.self_signed import make_self_signed
from aura_local.egress_permits import EgressPermits
from aura_local.errors import EngineUnavailable
from aura_local.settings import OidcSettings
from tests.server.oidc_world import World, open_world
from tests.support.identity_provider import CLIENT_ID, REDIRECT_URL, IdentityProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as opened:
        yield opened


def provider_settings(provider: IdentityProvider) -> OidcSettings:
    return OidcSettings(issuer=provider.issuer, client_id=CLIENT_ID, redirect_url=REDIRECT_URL)


async def test_a_provider_that_stalls_is_given_up_in_time(world: World) -> None:
    world.provider.stalls = anyio.Event()
    for own, whole in ((0.2, 30.0), (1.0, 0.2)):  # given up by the request, and by the whole step
        connection = ProviderConnection(EgressPermits(), private_allowed=False, deadline_s=own)
        protocol = Protocol(provider_settings(world.provider), None, connection, deadline_s=whole)
        began_s = time.monotonic()
        with pytest.raises(EngineUnavailable):
            await protocol.authorization_url(SignInAttempts().begin())
        assert time.monotonic() - began_s < 5
    world.provider.stalls.set()  # the server waits for its answers when it ends


async def test_nothing_listens() -> None:
    connection = ProviderConnection(EgressPermits(), private_allowed=False)
    with pytest.raises(EngineUnavailable):
        await connection(ProviderRequest("GET", "http://127.0.0.1:9/", {}))


async def test_a_name_is_resolved_once_and_kept_in_the_request(world: World) -> None:
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    port = urlsplit(world.provider.issuer).port
    request = ProviderRequest("GET", f"http://login.example:{port}/keys", {})
    log = world.engine.audit_log(PLATFORM)
    inside = EgressPermits(audited(log), resolve=resolve)
    # A public name with an address inside: only where the settings allow that.
    with pytest.raises(EngineUnavailable):
        await ProviderConnection(inside, private_allowed=False)(request)
    assert world.provider.requests == []
    assert await log.entries() == []
    reply = await ProviderConnection(inside, private_allowed=True)(request)
    assert (reply.status, world.provider.hosts) == (200, [f"login.example:{port}"])
    assert asked == [("login.example", port)] * 2
    assert [one.subject for one in await log.entries()] == [f"login.example:{port}"]


async def test_without_an_audit_entry_nothing_is_asked(world: World) -> None:
    await world.engine.catalog.database.write(
        lambda database: list(database.conn.execute("DROP TABLE audit_entries"))
    )
    answer = await world.client.post("/api/oidc/start")
    assert answer.status_code == 500
    assert world.provider.requests == []


async def test_a_certificate_is_checked_against_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_self_signed(tmp_path / "tls", ["login.example"], days=30, replace=False)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(made.certificate, made.key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    permits = EgressPermits(resolve=lambda _host, _port: ["127.0.0.1"])
    connection = ProviderConnection(permits, private_allowed=True)
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served) as server:
        port = server.sockets[0].getsockname()[1]

        async def status(name: str) -> int:
            return (await connection(ProviderRequest("GET", f"https://{name}:{port}/", {}))).status

        with pytest.raises(EngineUnavailable):  # of an authority that nobody knows
            await status("login.example")
        monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
        assert await status("login.example") == 200
        with pytest.raises(EngineUnavailable):  # of somebody else
            await status("other.example")


GUARDED = """
import anyio, socket, subprocess
from aura_local.egress import egress_summary, forbid_egress
from aura_local.egress_permits import EgressPermits
from aura_local.errors import EgressDenied

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["ip", "address", "add", "1.1.1.1/32", "dev", "lo"], check=True)
forbid_egress()
from aura_server.oidc_client import PURPOSE, ProviderConnection
from aura_local.accounts.identity_provider import ProviderRequest

async def answer(stream):
    async with stream:
        await stream.receive()
        await stream.send(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\n{}")

async def main():
    listener = await anyio.create_tcp_listener(local_host="1.1.1.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        permits = EgressPermits(resolve=lambda host, port: ["1.1.1.1"])
        connection = ProviderConnection(permits, private_allowed=False)
        reply = await connection(ProviderRequest("GET", f"http://login.example:{port}/", {}))
        assert reply.status == 200
        assert egress_summary().permitted == {PURPOSE: 1}, egress_summary()
        group.cancel_scope.cancel()
    try:
        socket.socket().connect(("1.1.1.1", port))
    except EgressDenied:
        return
    raise AssertionError("the permit holds outside its request")

anyio.run(main)
"""


@pytest.mark.namespace
def test_behind_the_guard_a_request_passes_and_nothing_else_does() -> None:
    """In a network of its own, where a public address is this machine's."""
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", GUARDED]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
