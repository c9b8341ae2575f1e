"""`aura serve` on a data folder that outlives it: started, killed, looked at, started again. Layer 4."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from aura_local.benchmark.server_process import RunningServer
from aura_local.errors import DeadlineExceeded, EngineUnavailable
from aura_local.settings import Settings
from aura_local.settings_sources import load_settings

READY_WITHIN_S: Final = 120.0
STOPPED_WITHIN_S: Final = 20.0
LOOK_EVERY_S: Final = 0.02
_LISTENS: Final = re.compile(r"listens on (http://\S+?);")
_READY: Final = "\nReady. "
_COMMAND: Final = "import sys; from aura_local.commands import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class StartTimes:
    """Seconds from the beginning of the process."""

    listening_s: float
    """Storage is open and connections are taken."""
    ready_s: float
    """The engines are loaded as well."""

    @property
    def loading_s(self) -> float:
        """What the models took."""
        return self.ready_s - self.listening_s


def settings_of(folder: Path) -> Settings:
    """The settings of the server on this folder, for looking at its data without it."""
    home, key = folder / "home", folder / "key" / "master.key"
    arguments = {"home": home, "master_key_file": key, "profile": "demo", "limits.disk_reserve_bytes": 0}
    return load_settings(arguments, {}).values


class RestartingServer:
    """One server after the other on `folder`/home, with the demo profile; at most one runs.

    `settings` are `AURA_*` variables, `options` of `aura serve`. What the servers print is in `log`, by
    default `folder`/server.log, one after the other.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        log: Path | None = None,
    ) -> None:
        self.log = log or folder / "server.log"
        self.url = ""
        self._folder = folder
        self._settings = {"AURA_LIMITS__DISK_RESERVE_BYTES": "0", **(settings or {})}
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process_id(self) -> int:
        assert self._process is not None
        return self._process.pid

    def with_key(self, key: str) -> RunningServer:
        """The server as the voice clients know it, for the holder of `key`."""
        return RunningServer(self.url, key, self.process_id, self.log)

    def spawn(self) -> None:
        """Begin to start, and do not wait."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
        environment |= {
            "AURA_HOME": str(self._folder / "home"),
            "AURA_MASTER_KEY_FILE": str(self._folder / "key" / "master.key"),
            "PYTHONUNBUFFERED": "1",
            **self._settings,
        }
        command = [sys.executable, "-c", _COMMAND, "serve", "--profile", "demo"]
        command += ["--host", "127.0.0.1", "--port", "0", *self._options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)

    async def start(self) -> StartTimes:
        """Start and wait until the engines are loaded.

        Raises `EngineUnavailable` with the last words of a server that ends early, `DeadlineExceeded`.
        """
        seen_bytes = self.log.stat().st_size if self.log.exists() else 0
        began_s = time.monotonic()
        self.spawn()
        listening_s = 0.0
        while time.monotonic() - began_s < READY_WITHIN_S:
            said = "\n" + self._said_since(seen_bytes)
            if not listening_s and (found := _LISTENS.search(said)):
                self.url, listening_s = found[1], time.monotonic() - began_s
            if listening_s and _READY in said:
                return StartTimes(listening_s, time.monotonic() - began_s)
            if not self.alive:
                raise EngineUnavailable(f"The server ended before it was ready. It said: {said[-800:]}")
            await anyio.sleep(LOOK_EVERY_S)
        raise DeadlineExceeded(f"The server was not ready within {READY_WITHIN_S:.0f} s.")

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def kill(self) -> None:
        """As when the power of the process fails: no handler runs. Idempotent."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and wait. Idempotent."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self.alive:
            self._process.send_signal(number)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_wait_or_kill, self._process)

    def _said_since(self, seen_bytes: int) -> str:
        with self.log.open("rb") as log:
            log.seek(seen_bytes)
            return log.read().decode(errors="replace")


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
