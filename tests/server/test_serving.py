"""The command from the outside: a process that is started, asked, and stopped."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aura_server.serving import bind, raise_file_limit

from aura_local.errors import ConfigurationError
from aura_local.settings import ServerSettings


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
    return kept | {
        "AURA_HOME": str(tmp_path / "home"),
        "AURA_MASTER_KEY_FILE": str(tmp_path / "key" / "master.key"),
        "AURA_LIMITS__DISK_RESERVE_BYTES": "0",
        "AURA_ENGINES__LANGUAGE_MODEL": "extractive",
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "aura_server", *arguments]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken


def test_a_taken_port_is_said_at_once(listener: socket.socket, environment: dict[str, str]) -> None:
    port = str(listener.getsockname()[1])
    result = subprocess.run(
        command("--port", port), env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert (result.returncode, result.stdout) == (2, "")
    expected = f"error: Port {port} is taken: stop its user, or choose another with --port.\n"
    assert result.stderr == expected
    assert not Path(environment["AURA_HOME"]).exists()


def test_a_wrong_setting_is_said_at_once(environment: dict[str, str]) -> None:
    result = subprocess.run(
        command("--port", "99999"), env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: server.port in the command line:")


@pytest.mark.engines
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_start_with_the_demo_tenant_then_stop(environment: dict[str, str], end: signal.Signals) -> None:
    arguments = command("--port", "0", "--profile", "demo", "--demo-tenant")
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        opening = next(line for line in process.stdout if "/#key=" in line)
        address, key = opening.split()[1].split("/#key=")
        headers = {"authorization": f"Bearer {key}"}
        with httpx.Client(base_url=address, headers=headers, timeout=20, trust_env=False) as client:
            assert client.get("/health?ready").status_code == 200
            documents = client.get("/api/documents").json()["documents"]
            assert len(documents) >= 12
            assert {document["status"] for document in documents} == {"indexed"}
            answer = client.post("/api/chat", json={"question": "When does the museum open?"}).json()
            assert answer["citations"]
            pages = client.get("/").text
            assert key not in pages
        process.send_signal(end)
        assert process.wait(timeout=20) == 0
        assert "AURA Local has stopped." in process.stdout.read()


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1 is not an address"):
        bind(ServerSettings(host="192.0.2.1", port=0))


def test_a_free_port_is_bound() -> None:
    with bind(ServerSettings(port=0)) as bound:
        assert bound.getsockname()[0] == "127.0.0.1"
        assert bound.getsockname()[1] > 0


def test_the_limit_on_open_files_is_raised_as_far_as_allowed() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = min(256, before[0])
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (low, before[1]))
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > low
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
