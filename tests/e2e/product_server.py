"""The product as its user has it: `aura serve` in a process of its own, on a data folder that outlives it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from aura_local.benchmark.server_process import RunningServer

START_S = 120.0
STOP_S = 30.0
HTTP_S = 120.0
QUESTION = "When does the museum open?"
FACT = "nine in the morning"


@dataclass(frozen=True)
class Product:
    """A server that runs."""

    process: subprocess.Popen[str]
    url: str
    key: str
    home: Path
    http: httpx.Client
    """Sends the tenant's key."""
    said: list[str]

    @property
    def server(self) -> RunningServer:
        """The same, as the benchmarks know it."""
        return RunningServer(self.url, self.key, self.process.pid, self.home / "server.log")

    def metric(self, name: str) -> float:
        """A value of `/metrics` by its full name, labels included."""
        for line in self.http.get("/metrics").text.splitlines():
            found, _, value = line.rpartition(" ")
            if found == name:
                return float(value)
        raise AssertionError(f"/metrics has no {name}")

    def documents(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.http.get("/api/documents").json()["documents"]
        return listed

    def upload(self, name: str, content: bytes, *, wait: bool = True) -> httpx.Response:
        query = {"wait": "true"} if wait else {}
        return self.http.post("/api/documents/upload", params=query, files={"file": (name, content)})

    def ask(self, question: str) -> dict[str, Any]:
        response = self.http.post("/api/chat", json={"question": question})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def kill(self) -> None:
        """As when the power fails."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_S)

    def assert_well(self) -> None:
        """The server lives, answers a good question rightly, and has refused itself no connection."""
        assert self.process.poll() is None, "".join(self.said)
        answer = self.ask(QUESTION)
        assert FACT in answer["answer"]
        assert answer["citations"][0]["document"] == "opening_hours.md"
        assert self.metric("aura_egress_denied") == 0


def environment_for(folder: Path, settings: Mapping[str, object] | None = None) -> dict[str, str]:
    """Nothing of the caller's settings; data in `folder`. `settings` by dotted name."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
    chosen = {"limits.disk_reserve_bytes": 0, **(settings or {})}
    environment |= {f"AURA_{name.replace('.', '__').upper()}": str(value) for name, value in chosen.items()}
    return environment | {
        "AURA_HOME": str(folder / "home"),
        "AURA_MASTER_KEY_FILE": str(folder / "key" / "master.key"),
    }


@contextmanager
def serve(
    folder: Path,
    settings: Mapping[str, object] | None = None,
    *,
    wrapper: Sequence[str] = (),
    package_root: Path | None = None,
) -> Iterator[Product]:
    """Serve the demo tenant on the demo profile; returns when it is ready for questions.

    `wrapper` is a command that ends by executing the rest of its arguments. `package_root` is put in
    front of the import path: another copy of AURA Local.
    """
    environment = environment_for(folder, settings)
    if package_root is not None:
        environment["PYTHONPATH"] = os.pathsep.join([str(package_root), str(package_root / "server")])
    command = [sys.executable, "-m", "aura_server", "--profile", "demo", "--port", "0", "--demo-tenant"]
    process = subprocess.Popen(
        [*wrapper, *command],
        env=environment,
        cwd=package_root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    said: list[str] = []
    try:
        url, key = _wait_until_ready(process, said)
        watchdog.cancel()
        assert process.stdout is not None
        drain = threading.Thread(target=said.extend, args=(process.stdout,))
        drain.start()
        try:
            authorization = {"authorization": f"Bearer {key}"}
            with httpx.Client(base_url=url, headers=authorization, timeout=HTTP_S, trust_env=False) as http:
                yield Product(process, url, key, folder / "home", http, said)
        finally:
            process.terminate()
            drain.join(STOP_S)
    finally:
        watchdog.cancel()
        watchdog.join()
        process.kill()
        process.wait(STOP_S)
        if process.stdout is not None:
            process.stdout.close()


def _wait_until_ready(process: subprocess.Popen[str], said: list[str]) -> tuple[str, str]:
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if match := re.search(r"(http://127\.0\.0\.1:\d+)/#key=(\S+)", line):
            return match[1], match[2]
    raise AssertionError(f"the server did not start:\n{''.join(said)}")
