"""A machine's night and day: the command lines of the units themselves, one after the other."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from .unit_files import AURA, command_of, environment_of, install, run

PATIENCE_S = 30.0
NAME = "%Y-%m-%dT%H-%M-%SZ"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Machine:
    """The units, installed, with the folders of the system moved below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.units = install(folder / "system")
        self.backups = folder / "backups"
        self.port = free_port()
        self.moved = {
            "/var/lib/aura": str(folder / "data"),
            "/var/lib/aura-backups": str(self.backups),
            "/etc/aura": str(folder / "etc"),
            "http://127.0.0.1:8765": f"http://127.0.0.1:{self.port}",
        }
        self.options = {
            "AURA_SERVER__PORT": str(self.port),
            "AURA_PROFILE": "demo",
            "AURA_ENGINES__LANGUAGE_MODEL": "extractive",
            "AURA_LIMITS__DISK_RESERVE_BYTES": "0",
        }

    def environment(self, unit: str) -> dict[str, str]:
        return environment_of(self.units / unit, self.moved) | self.options

    def once(self, unit: str, *more: str) -> subprocess.CompletedProcess[str]:
        """What a unit of type oneshot does; `more` are options behind its own."""
        return run(*command_of(self.units / unit, self.moved), *more, **self.environment(unit))

    @property
    def healthy(self) -> bool:
        """What aura-health.service finds, without the ten seconds between its tries."""
        return self.once("aura-health.service", "--pause-s", "0").returncode == 0

    @contextmanager
    def server(self, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
        """aura.service with a socket as of systemd; the block begins once it has said that it is ready."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            notices.settimeout(PATIENCE_S)
            notices.bind(str(folder / "notify"))
            watched = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "800000"}
            command = command_of(self.units / "aura.service", self.moved)
            environment = kept | self.environment("aura.service") | watched
            with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
                try:
                    assert first(notices, "READY=1") == "STATUS=Ready."
                    assert first(notices, "WATCHDOG=1") == "STATUS=Ready."
                    yield process
                    process.send_signal(signal.SIGTERM)
                    assert first(notices, "STOPPING=1") == "STATUS=Closing."
                    assert process.wait(timeout=PATIENCE_S) == 0
                finally:
                    process.kill()

    def aura(self, *arguments: str, home: str = "/var/lib/aura") -> str:
        environment = self.environment("aura.service") | {"AURA_HOME": self.moved[home]}
        done = run(AURA, *arguments, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout


def first(notices: socket.socket, line: str) -> str:
    """The second line of the first message that begins so."""
    while True:
        message = notices.recv(4096).decode().split("\n")
        if message[0] == line:
            return message[1]


@pytest.mark.engines
def test_from_the_first_start_to_a_restored_backup(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.backups.mkdir()
    began = datetime.now(UTC)
    older = [(began - timedelta(days=day)).strftime(NAME) for day in range(1, 17)]
    for name in older:
        (machine.backups / name).mkdir()
    (machine.backups / "mine").mkdir()
    assert not machine.healthy

    with machine.server(tmp_path):
        assert machine.healthy
        machine.aura("tenant", "create", "Cedar Church")
        night = machine.once("aura-backup.service")
        assert night.returncode == 0, night.stderr
    assert not machine.healthy

    found = sorted(path.name for path in machine.backups.iterdir() if path.name != ".lock")
    (new,) = set(found) - {"mine", *older}
    assert began <= datetime.strptime(new, NAME).replace(tzinfo=UTC) + timedelta(seconds=1)
    assert found == sorted(["mine", new, *older[:13]])

    # The disk has been replaced: the data is gone, the key and the backups are not.
    machine.moved["/restored"] = str(tmp_path / "restored")
    restored = json.loads(
        machine.aura("backup", "restore", str(machine.backups / new), "--json", home="/restored")
    )
    assert (restored["status"], restored["tenants"], restored["left_out"]) == ("restored", 1, [])
    assert len(list((tmp_path / "restored" / "tenants").iterdir())) == 1
