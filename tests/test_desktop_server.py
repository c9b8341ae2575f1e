"""The way to the server of `aura talk --server`: addresses, permits, certificates, and what is no server."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from aura_server.tls import load_identity

from aura_local.commands.self_signed import make_self_signed
from aura_local.desktop_server import PURPOSE, UNREACHABLE, VOICE_PATH, ServerAddress, reach
from aura_local.egress_permits import EgressPermits, parse_address, permit_for_connection
from aura_local.errors import ConfigurationError, EngineUnavailable
from aura_local.settings import ServerSettings
from tests.server.voice_server import voice_server


@pytest.mark.parametrize(
    ("text", "url", "host", "port"),
    [
        ("http://127.0.0.1:8765", "ws://127.0.0.1:8765", "127.0.0.1", 8765),
        ("http://localhost", "ws://localhost", "localhost", 80),
        ("ws://[::1]:8765/", "ws://[::1]:8765", "::1", 8765),
        ("https://aura.example", "wss://aura.example", "aura.example", 443),
        ("https://example.org/aura/", "wss://example.org/aura", "example.org", 443),
        ("wss://192.168.1.20:8765/ws/voice/continuous", "wss://192.168.1.20:8765", "192.168.1.20", 8765),
    ],
)
def test_addresses(text: str, url: str, host: str, port: int) -> None:
    assert ServerAddress.checked(text) == ServerAddress(url + VOICE_PATH, host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "aura.example",
        "ftp://aura.example",
        "https://",
        "https://aura.example:99999",
        "https://a.example?k=1",
        "https://user:word@aura.example",
        "https://[aura",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--server takes an address such as"):
        ServerAddress.checked(text)


@pytest.mark.parametrize(
    "text", ["http://192.168.1.20:8765", "ws://aura.example", "http://localhost.example"]
)
def test_speech_crosses_no_network_unencrypted(text: str) -> None:
    with pytest.raises(ConfigurationError, match="unencrypted: give an https:// address"):
        ServerAddress.checked(text)


def test_a_permit_leads_to_the_named_server_alone_and_ends() -> None:
    def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["192.168.1.20"]

    def allowed(address: str, port: int) -> str | None:
        parsed = parse_address(address)
        assert parsed is not None
        return permit_for_connection(parsed, port, socket.SOCK_STREAM)

    permits = EgressPermits(resolve=resolve)
    with reach(ServerAddress.checked("https://aura.lan:8765"), permits):
        assert allowed("192.168.1.20", 8765) == PURPOSE
        assert allowed("192.168.1.20", 443) is None
        assert allowed("192.168.1.21", 8765) is None
    assert allowed("192.168.1.20", 8765) is None
    assert permits.counts() == {PURPOSE: {"permitted": 1, "denied": 0}}


def test_a_name_that_nobody_knows() -> None:
    def resolve(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    server = reach(ServerAddress.checked("https://nowhere.example"), EgressPermits(resolve=resolve))
    with pytest.raises(EngineUnavailable, match=r"nowhere\.example cannot be found"), server:
        pass


async def connecting(url: str) -> EngineUnavailable:
    """Why no connection comes about."""
    with (
        reach(ServerAddress.checked(url), EgressPermits()) as server,
        pytest.raises(EngineUnavailable) as caught,
    ):
        async with server.connect():
            pass
    return caught.value


@pytest.mark.anyio
async def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_self_signed(tmp_path / "tls", ["localhost"], days=365, replace=False)
    identity = load_identity(ServerSettings(tls_cert=made.certificate, tls_key=made.key))
    assert identity is not None
    async with voice_server(tls=identity.context) as server:
        port = server.address.rpartition(":")[2]
        url = f"https://localhost:{port}"
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        refused = await connecting(url)
        assert "name its file in SSL_CERT_FILE" in refused.message
        assert refused.code != UNREACHABLE
        monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
        with reach(ServerAddress.checked(url), EgressPermits()) as talk_server:
            async with talk_server.connect() as connection:
                await connection.send(json.dumps({"type": "start", "key": "key-one"}))
                assert json.loads(await connection.recv())["type"] == "ready"
        plain = await connecting(f"http://localhost:{port}")
        assert "ends every connection; does it speak https" in plain.message


@pytest.mark.anyio
async def test_what_answers_but_is_no_server_of_ours() -> None:
    async with voice_server() as server:
        wrong = await connecting(f"http://{server.address}/elsewhere")
        assert "refuses the connection (HTTP 40" in wrong.message
        assert wrong.code != UNREACHABLE
        secure = await connecting(f"https://{server.address}")
        assert "or speaks http and not https" in secure.message

    async def babble(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.send(b"220 mail.example ready\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, babble)
        other = await connecting(f"http://127.0.0.1:{port}")
        assert "is no AURA server" in other.message
        tasks.cancel_scope.cancel()


ALONE = """
import sys
from pathlib import Path
from aura_local.egress import denied_count, forbid_egress
forbid_egress()
import anyio
import numpy as np
from aura_local.commands.talk_remotely import talk_remotely
from aura_local.desktop_devices import DeviceChoice
from aura_local.desktop_playback import Loudspeaker, PlaybackQueue
from aura_local.desktop_remote import RemoteConversation
from aura_local.desktop_server import ServerAddress, reach
from aura_local.egress_permits import EgressPermits
from aura_local.errors import ModelMissing

class WithoutPortAudio:
    def find_spec(self, name, path=None, target=None):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")

async def microphone():
    for _ in range(40):
        yield np.zeros(512, np.float32)

async def notify(event):
    pass

async def main(url):
    sys.meta_path.insert(0, WithoutPortAudio())
    options = dict(headphones=False, push_to_talk=False, language=None, voice=None)
    try:
        await talk_remotely(url, None, DeviceChoice(None, None), **options)
    except* ModelMissing:
        print("no devices")
    with reach(ServerAddress.checked(url), EgressPermits()) as server:
        conversation = RemoteConversation(
            server, "key-one", sink=Loudspeaker(PlaybackQueue(24_000)), notify=notify,
            tell=print, begun=lambda: print("begun"),
        )
        await conversation.converse(microphone(), lambda recorded: recorded)
    print("ended", denied_count())

anyio.run(main, sys.argv[1])
ours = {name.split(".")[1] for name in sys.modules if name.startswith("aura_local.")}
print(*sorted(ours))
print(*sorted({"sqlite3", "onnxruntime", "ctranslate2", "llama_cpp", "starlette"} & set(sys.modules)))
"""


@pytest.mark.anyio
async def test_no_engine_and_no_data_folder_is_opened(tmp_path: Path) -> None:
    """Whole, with the egress guard in force, in a process of its own."""
    home = tmp_path / "home"
    environment = os.environ | {"AURA_HOME": str(home), "AURA_KEY": "key-one"}
    async with voice_server() as server:
        with anyio.fail_after(60):
            done = await anyio.run_process(
                [sys.executable, "-c", ALONE, f"http://{server.address}"], env=environment
            )
        assert server.engine.conversations[0].heard_samples == 40 * 512
    first, begun, ended, ours, foreign = done.stdout.decode().split("\n")[:5]
    assert (first, begun, ended, foreign) == ("no devices", "begun", "ended 0", "")
    opened = {"engine", "engine_room", "data_home", "storage", "adapters", "catalogue", "retrieval"}
    assert not opened & set(ours.split())
    assert not home.exists()
