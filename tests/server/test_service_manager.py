"""The service manager's socket is a real one here; what arrives on it is what systemd would get."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from aura_server.engine_check import HANGS_AFTER_S, engines_answer
from aura_server.service_manager import CHECKS_PER_WATCHDOG, ServiceManager, keep_informed

from aura_local.engine_room import EngineStatus
from aura_local.errors import ConfigurationError, EngineUnavailable, LaneBusy
from tests.support.engine import ScriptedRoom, open_scripted_engine

PATIENCE_S = 5.0


class Manager:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(PATIENCE_S)
        self._socket.bind(f"\0{address[1:]}" if address[0] == "@" else address)

    def heard(self) -> list[str]:
        """The lines of the next message."""
        return self._socket.recv(4096).decode().split("\n")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    abstract = f"@aura-test-{secrets.token_hex(8)}"
    manager = Manager(abstract if request.param == "abstract" else str(tmp_path / "notify"))
    yield manager
    manager.close()


class HangingRoom(ScriptedRoom):
    """One piece of its native work has been running for too long."""

    @property
    def longest_hold_s(self) -> float:
        return HANGS_AFTER_S + 1


class LackingRoom(ScriptedRoom):
    """Its embedder was never loaded."""

    @property
    def status(self) -> tuple[EngineStatus, ...]:
        return (EngineStatus("speech_to_text", "missing", "", ""), EngineStatus("embedder", "failed", "", ""))


class Pauses:
    """Takes the place of waiting: lets the loop go round as often as allowed, then for ever none."""

    def __init__(self, allowed: int) -> None:
        self.lasted_s: list[float] = []
        self.over = anyio.Event()
        self._allowed = allowed

    async def __call__(self, pause_s: float) -> None:
        self.lasted_s.append(pause_s)
        if len(self.lasted_s) == self._allowed:
            self.over.set()
            await anyio.sleep_forever()


async def told(manager: Manager, folder: Path, room: ScriptedRoom, checks: int) -> list[list[str]]:
    """All messages of a server with these engines, ended after so many checks."""
    pauses = Pauses(checks)
    server = ServiceManager(manager.address, watchdog_s=8.0)
    async with open_scripted_engine(folder, room=room) as engine, anyio.create_task_group() as group:

        async def run() -> None:
            await keep_informed(server, engine, pause=pauses)

        group.start_soon(run)
        with anyio.fail_after(PATIENCE_S):
            await pauses.over.wait()
        group.cancel_scope.cancel()
    assert pauses.lasted_s == [8.0 / CHECKS_PER_WATCHDOG] * checks
    return [manager.heard() for _ in range(checks + 3)]


@pytest.mark.anyio
async def test_a_life_from_loading_to_closing(manager: Manager, tmp_path: Path) -> None:
    assert await told(manager, tmp_path, ScriptedRoom(), checks=2) == [
        ["STATUS=Loading the engines."],
        ["READY=1", "STATUS=Ready."],
        ["WATCHDOG=1", "STATUS=Ready."],
        ["WATCHDOG=1", "STATUS=Ready."],
        ["STOPPING=1", "STATUS=Closing."],
    ]


@pytest.mark.anyio
async def test_what_is_missing_is_said_and_is_no_reason_to_start_anew(
    manager: Manager, tmp_path: Path
) -> None:
    _, ready, alive, _ = await told(manager, tmp_path, LackingRoom(), checks=1)
    assert ready == ["READY=1", "STATUS=Ready, without: speech to text, embedder."]
    assert alive[0] == "WATCHDOG=1"


@pytest.mark.anyio
async def test_a_hanging_engine_ends_the_signs_of_life(manager: Manager, tmp_path: Path) -> None:
    messages = await told(manager, tmp_path, HangingRoom(), checks=2)
    assert messages[2:4] == [["STATUS=The engines do not answer."]] * 2
    assert not any("WATCHDOG=1" in message for message in messages)


@pytest.mark.anyio
@pytest.mark.parametrize("failure", [EngineUnavailable("closed"), LaneBusy("busy")])
async def test_an_engine_that_fails_does_not_answer(failure: Exception) -> None:
    room = ScriptedRoom()
    assert await engines_answer(room, within_s=PATIENCE_S)
    room.engines["embedder"].script.failure = failure
    assert not await engines_answer(room, within_s=PATIENCE_S)


@pytest.mark.anyio
async def test_an_engine_that_takes_too_long_does_not_answer() -> None:
    room = ScriptedRoom()
    room.engines["embedder"].script.hold = anyio.Event()
    assert not await engines_answer(room, within_s=0.01)


@pytest.mark.anyio
async def test_without_a_watchdog_no_sign_of_life_is_sent(manager: Manager, tmp_path: Path) -> None:
    async with open_scripted_engine(tmp_path) as engine, anyio.create_task_group() as group:
        group.start_soon(keep_informed, ServiceManager(manager.address, None), engine)
        with anyio.fail_after(PATIENCE_S):
            assert [await anyio.to_thread.run_sync(manager.heard) for _ in range(2)][1][0] == "READY=1"
        group.cancel_scope.cancel()
    assert manager.heard()[0] == "STOPPING=1"


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_the_watchdog_of_the_environment(environment: dict[str, str], watchdog_s: float | None) -> None:
    found = ServiceManager.of({"NOTIFY_SOCKET": "/run/notify"} | environment, process_id=7)
    assert found == ServiceManager("/run/notify", watchdog_s)


def test_without_a_service_manager_nobody_is_told() -> None:
    assert ServiceManager.of({"WATCHDOG_USEC": "60000000"}, process_id=7) is None
    assert ServiceManager.of({"NOTIFY_SOCKET": ""}, process_id=7) is None


@pytest.mark.parametrize("address", ["vsock:2:1234", "@", "relative"])
def test_another_kind_of_socket_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="NOTIFY_SOCKET"):
        ServiceManager.of({"NOTIFY_SOCKET": address}, process_id=7)


def test_a_manager_that_has_gone_is_logged_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager(str(tmp_path / "gone"), None).tell("READY=1")
    assert [record.message for record in caplog.records] == ["service manager not told"]


def test_the_rule_of_no_connections_lets_it_through(manager: Manager) -> None:
    """A process of its own, because the rule can never be lifted again."""
    script = (
        "import sys; from aura_local.egress import denied_count, forbid_egress; forbid_egress(); "
        "from aura_server.service_manager import ServiceManager; "
        "ServiceManager(sys.argv[1], None).tell('READY=1'); sys.exit(denied_count())"
    )
    subprocess.run([sys.executable, "-c", script, manager.address], check=True)
    assert manager.heard() == ["READY=1"]
