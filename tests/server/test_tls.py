"""TLS with certificates of our own making, over real handshakes on loopback."""

from __future__ import annotations

import asyncio.constants
import json
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest
import uvicorn
from aura_server.http_protocol import server_config
from aura_server.limits import SecurityHeadersMiddleware
from aura_server.serving import server_address, warnings_about
from aura_server.tls import ServerIdentity, handshakes_within, load_identity
from cryptography.hazmat.primitives import serialization as forms
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from websockets.asyncio.client import connect

from aura_local.commands.self_signed import SelfSigned, make_self_signed
from aura_local.errors import ConfigurationError
from aura_local.settings import LimitSettings, ServerSettings
from tests.server.voice_server import voice_server

NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def made(tmp_path: Path) -> SelfSigned:
    return make_self_signed(tmp_path / "tls", ["Museum.lan", "192.168.1.20"], days=365, replace=False)


def settings(made: SelfSigned) -> ServerSettings:
    return ServerSettings(tls_cert=made.certificate, tls_key=made.key)


def trusting(made: SelfSigned) -> ssl.SSLContext:
    """A client that was told to trust this certificate, and checks the name all the same."""
    return ssl.create_default_context(cafile=made.certificate)


def load(made: SelfSigned) -> ServerIdentity:
    identity = load_identity(settings(made))
    assert identity is not None
    return identity


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "museum.lan", "192.168.1.20"])
async def test_https_and_wss_by_every_name_of_the_certificate(made: SelfSigned, name: str) -> None:
    context = load(made).context
    async with voice_server(tls=context) as server:
        host, _, port = server.address.rpartition(":")
        secure = await anyio.connect_tcp(
            host,
            int(port),
            tls=True,
            ssl_context=trusting(made),
            tls_hostname=name,
            tls_standard_compatible=False,
        )
        async with secure:
            await secure.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await secure.receive()).startswith(b"HTTP/1.1 404 ")
        url = server.url.replace("ws://", "wss://")
        options = {"proxy": None, "compression": None, "server_hostname": name}
        async with connect(url, ssl=trusting(made), **options) as client:  # type: ignore[arg-type]
            await client.send(json.dumps({"type": "start", "key": "key-one"}))
            assert json.loads(await client.recv())["type"] == "ready"


@pytest.mark.anyio
async def test_another_name_does_not_fit(made: SelfSigned) -> None:
    async with voice_server(tls=load(made).context) as server:
        host, _, port = server.address.rpartition(":")
        with pytest.raises(ssl.SSLError):
            await anyio.connect_tcp(
                host, int(port), tls=True, ssl_context=trusting(made), tls_hostname="other.lan"
            )


def test_old_protocols_are_not_spoken(made: SelfSigned) -> None:
    assert load(made).context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.anyio
async def test_a_handshake_that_stalls_ends_at_the_deadline(made: SelfSigned) -> None:
    """asyncio's own deadline is 60 s."""

    async def hello(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    config = server_config(Starlette(routes=[Route("/", hello)]), LimitSettings(), load(made).context)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener, handshakes_within(0.1):
        port = listener.getsockname()[1]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server._serve, [listener])
            with anyio.fail_after(5):
                while not server.started:  # noqa: ASYNC110 - uvicorn announces it in no other way
                    await anyio.sleep(0.01)
                async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                    with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                        await stream.receive()
            server.should_exit = True
    assert asyncio.constants.SSL_HANDSHAKE_TIMEOUT == 60


def test_what_is_known_of_a_certificate(made: SelfSigned) -> None:
    identity = load(made)
    assert identity.names == ("museum.lan", "localhost", "192.168.1.20", "127.0.0.1", "[::1]")
    assert identity.self_signed
    assert not identity.ends_soon(identity.valid_until - timedelta(days=15))
    assert identity.ends_soon(identity.valid_until - timedelta(days=13))


def test_no_settings_no_tls() -> None:
    assert load_identity(ServerSettings()) is None


def _missing(made: SelfSigned) -> None:
    made.certificate.unlink()


def _no_certificate(made: SelfSigned) -> None:
    made.certificate.write_text("-----BEGIN NONSENSE-----")


def _readable_by_others(made: SelfSigned) -> None:
    made.key.chmod(0o644)


def _readable_by_the_group(made: SelfSigned) -> None:
    made.key.chmod(0o640)


def _no_key(made: SelfSigned) -> None:
    made.key.write_bytes(b"\0")


def _key_of_another(made: SelfSigned) -> None:
    other = make_self_signed(made.key.parent / "other", [], days=1, replace=False)
    other.key.replace(made.key)


def _encrypted(made: SelfSigned) -> None:
    key = forms.load_pem_private_key(made.key.read_bytes(), None)
    secret = forms.BestAvailableEncryption(b"passphrase")
    made.key.write_bytes(key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, secret))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (_missing, r"server\.tls_cert .*certificate\.pem cannot be read"),
        (_no_certificate, "not a certificate in PEM format"),
        (_readable_by_others, r"Other users can read the key .*chmod 600"),
        (_readable_by_the_group, "Other users can read the key"),
        (_no_key, "not a private key in PEM format"),
        (_key_of_another, "does not belong to the certificate"),
        (_encrypted, "is encrypted"),
    ],
)
def test_what_cannot_be_served_with_is_told_before_serving(
    made: SelfSigned, damage: Callable[[SelfSigned], None], complaint: str
) -> None:
    damage(made)
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        load_identity(settings(made))
    assert "BEGIN" not in refused.value.message


def test_a_certificate_has_a_first_and_a_last_moment(tmp_path: Path) -> None:
    made = make_self_signed(tmp_path, [], days=10, replace=False, now=NOW)
    for now in (NOW, NOW + timedelta(days=10, seconds=-1)):
        assert load_identity(settings(made), now) is not None
    with pytest.raises(ConfigurationError, match="expired on 2026-07-11"):
        load_identity(settings(made), NOW + timedelta(days=10))
    with pytest.raises(ConfigurationError, match="is the clock right"):
        load_identity(settings(made), NOW - timedelta(days=1))


def test_a_certificate_without_a_key_is_half_a_setting() -> None:
    for half in ({"tls_cert": "certificate.pem"}, {"tls_key": "certificate.key"}):
        with pytest.raises(ValidationError, match="go together"):
            ServerSettings.model_validate(half)


def test_the_address_and_its_warnings(made: SelfSigned) -> None:
    identity = load(made)
    with socket.create_server(("127.0.0.1", 0)) as own, socket.create_server(("", 0)) as open_to_all:
        port = own.getsockname()[1]
        assert server_address(own, ServerSettings(), secure=True) == f"https://127.0.0.1:{port}"
        assert server_address(own, ServerSettings(), secure=False) == f"http://127.0.0.1:{port}"
        assert list(warnings_about(own, None, NOW)) == []
        (warning,) = warnings_about(open_to_all, None, NOW)
        assert "browsers give no microphone" in warning
        assert list(warnings_about(open_to_all, identity, identity.valid_until - timedelta(days=100))) == []
        (warning,) = warnings_about(own, identity, identity.valid_until - timedelta(days=2))
        assert "expires on" in warning


@pytest.mark.anyio
@pytest.mark.parametrize("strict", [True, False])
async def test_browsers_are_held_to_https_only_by_certificates_they_trust(strict: bool) -> None:
    async def hello(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = Starlette(
        routes=[Route("/", hello)],
        middleware=[Middleware(SecurityHeadersMiddleware, strict_transport=strict)],
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://127.0.0.1") as client:
        answer = await client.get("/")
    assert ("strict-transport-security" in answer.headers) is strict
