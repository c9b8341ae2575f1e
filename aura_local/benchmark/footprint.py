"""How much of a machine AURA Local takes: memory, time to ready, and what an import costs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import anyio.to_thread

from aura_local.benchmark.conditions import conditions
from aura_local.benchmark.process_figures import MB, look_at
from aura_local.benchmark.server_process import run_server
from aura_local.errors import EngineUnavailable

HEAVY: Final = ("torch", "chromadb", "llama_cpp", "ctranslate2", "starlette")
"""Packages that `import aura_local` must leave alone."""
TRIES: Final = 3
AURA: Final = "import sys; from aura_local.commands import main; sys.exit(main())"

TARGETS: Final[Mapping[str, float]] = {
    "ready_s": 8.0,
    "ready_mb": 700.0,
    "conversation_mb": 15.0,
    "open_tenant_mb": 12.0,
    "closed_index_mb": 2.0,
    "help_s": 0.5,
}
"""The most that each figure may be."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """One measurement on the demo profile; MB are millions of bytes of resident memory."""

    ready_s: float
    """From starting the server to all engines loaded, its documents indexed before."""
    ready_mb: float
    """The server's memory at that moment."""
    conversation_mb: float
    """Added by a conversation by voice that is open, after three questions."""
    open_tenant_mb: float
    """Added by a tenant that has just searched its documents."""
    closed_index_mb: float
    """What remains of that once its index is closed."""
    help_s: float
    """`aura --help`, the median of three."""
    imported: tuple[str, ...]
    """Which of the heavy packages `import aura_local` pulls in."""
    conditions: Mapping[str, Any]

    def missed(self) -> list[str]:
        """Which targets are missed, in words."""
        figures = asdict(self)
        missed = [
            f"{name} is {figures[name]}, at most {most:g} is allowed"
            for name, most in TARGETS.items()
            if figures[name] > most
        ]
        return missed + [f"import aura_local imports {package}" for package in self.imported]


async def measure_footprint() -> Footprint:
    """Takes about a minute. Raises `EngineUnavailable` when a process does not do what it should."""
    with TemporaryDirectory(prefix="aura-footprint-") as folder:
        added = json.loads(await _output("-m", "aura_local.benchmark.footprint_probe", folder))
    ready_s, ready_mb = await _server()
    models = added.pop("models")
    listed = "import sys, aura_local; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    imported = await _output("-c", listed, *HEAVY)
    return Footprint(
        **added,
        ready_s=ready_s,
        ready_mb=ready_mb,
        help_s=sorted([await _seconds("-c", AURA, "--help") for _ in range(TRIES)])[TRIES // 2],
        imported=tuple(imported.split()),
        conditions={**conditions(()), "models": models},
    )


async def _server() -> tuple[float, float]:
    """Seconds until a server on existing data is ready, and its memory in MB then."""
    with TemporaryDirectory(prefix="aura-footprint-") as folder:
        place = Path(folder)
        data = {"AURA_HOME": place / "home", "AURA_MASTER_KEY_FILE": place / "key" / "master.key"}
        settings = {name: str(path) for name, path in data.items()}
        settings["AURA_LIMITS__DISK_RESERVE_BYTES"] = "0"
        async with run_server(settings=settings):
            pass
        began_s = time.monotonic()
        async with run_server(settings=settings) as server:
            ready_s = time.monotonic() - began_s
            return round(ready_s, 2), round(look_at(server.process_id).resident_bytes / MB, 1)


async def _seconds(*arguments: str) -> float:
    began_s = time.monotonic()
    await _output(*arguments)
    return round(time.monotonic() - began_s, 3)


async def _output(*arguments: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, *arguments]
    run = await anyio.run_process(command, check=False, stderr=subprocess.PIPE)
    if run.returncode != 0:
        raise EngineUnavailable(f"A measuring process failed: {run.stderr.decode()[-800:].strip()}")
    return run.stdout.decode()
