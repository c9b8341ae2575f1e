"""A server of its own for a benchmark: a fresh data folder, the demo tenant, a free port."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT
from tempfile import TemporaryDirectory
from typing import Final

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from aura_local.errors import DeadlineExceeded, EngineUnavailable

READY_WITHIN_S: Final = 120.0
_READY: Final = re.compile(r"Open (http://\S+)/#key=(\S+)")


@dataclass(frozen=True, slots=True)
class RunningServer:
    url: str
    """For example `http://127.0.0.1:40001`."""
    key: str
    process_id: int
    log: Path

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws/voice/continuous"


@asynccontextmanager
async def run_server(
    *, profile: str = "demo", settings: Mapping[str, str] | None = None
) -> AsyncIterator[RunningServer]:
    """Start `aura serve` with the demo tenant and wait until its documents are indexed.

    `settings` are `AURA_*` variables. Raises `EngineUnavailable` with the server's last words when it ends
    early, `DeadlineExceeded` when it is not ready in time. Leaving the block stops it.
    """
    with TemporaryDirectory(prefix="aura-bench-") as folder:
        place = Path(folder)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
        environment |= {
            "AURA_HOME": str(place / "home"),
            "AURA_MASTER_KEY_FILE": str(place / "key" / "master.key"),
            "PYTHONUNBUFFERED": "1",
            **(settings or {}),
        }
        command = [sys.executable, "-c", "import sys; from aura_local.commands import main; sys.exit(main())"]
        command += ["serve", "--demo-tenant", "--host", "127.0.0.1", "--port", "0", "--profile", profile]
        process = await anyio.open_process(command, env=environment, stdout=PIPE, stderr=STDOUT)
        try:
            with anyio.fail_after(READY_WITHIN_S):
                url, key = await _ready(process)
            async with anyio.create_task_group() as tasks:
                log = place / "server.log"
                tasks.start_soon(_drain, process, log)
                yield RunningServer(url, key, process.pid, log)
                tasks.cancel_scope.cancel()
        except TimeoutError as error:
            raise DeadlineExceeded(f"The server was not ready within {READY_WITHIN_S:.0f} s.") from error
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(process)


async def _ready(process: Process) -> tuple[str, str]:
    assert process.stdout is not None
    said = ""
    async for text in TextReceiveStream(process.stdout, errors="replace"):
        said += text
        if found := _READY.search(said):
            return found[1], found[2]
    raise EngineUnavailable(f"The server ended before it was ready. It said: {said[-800:].strip()}")


async def _drain(process: Process, log: Path) -> None:
    """An unread pipe would stop the server once it is full."""
    assert process.stdout is not None
    async with await anyio.open_file(log, "ab") as file:
        async for data in process.stdout:
            await file.write(data)
            await file.flush()


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        with anyio.move_on_after(10):
            await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()
