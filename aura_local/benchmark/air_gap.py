"""A bundle is made, carried away, installed and used where there is no network: shown, not assumed. Layer 4.

Everything behind the making runs in a network namespace of its own with nothing but loopback, under strace:
an address of another machine that anything merely tried to reach is found.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from aura_local.errors import EngineUnavailable

Tracer: TypeAlias = Callable[[Path], tuple[tuple[str, ...], str]]
"""The words to put before a command so that its sockets are traced into a file, or why there are none."""

DOCUMENT: Final = "# Lamp room\n\nThe lamp room closes at seven minutes past nine.\n"
QUESTION: Final = "lamp room closes"
WITHIN_S: Final = 420.0

_LOOPBACK_ONLY: Final = (
    "unshare",
    "--net",
    "--map-root-user",
    "sh",
    "-c",
    'ip link set lo up && exec "$@"',
    "sh",
)
_SERVE_AND_FETCH: Final = """
import json, subprocess, sys, time, urllib.request
server = subprocess.Popen([sys.argv[1], "serve", "--port", "8765", "--profile", "demo"])
found = {}
try:
    end = time.monotonic() + 120
    while "page" not in found:
        try:
            with urllib.request.urlopen("http://127.0.0.1:8765/", timeout=5) as page:
                found["page"] = page.read().decode("utf-8")
        except OSError:
            if time.monotonic() > end or server.poll() is not None:
                raise
            time.sleep(0.3)
finally:
    server.terminate()
    server.wait(30)
json.dump({"bytes": len(found["page"]), "is_html": "<html" in found["page"]}, open(sys.argv[2], "w"))
"""


@dataclass(slots=True)
class AirGapReport:
    bundle_mb: float = 0.0
    files: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    page_bytes: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AirGap:
    """The finished report, and the traces of all commands, one file each."""

    report: AirGapReport
    traces: tuple[Path, ...]


def run_air_gap(folder: Path, tracer: Tracer) -> AirGap:
    """Make the demo profile's bundle and use it without a network; `folder` is new. Blocks for minutes.

    Raises `EngineUnavailable` where there is no tracer or a command fails that the others need.
    """
    report = AirGapReport()
    here, there = folder / "connected", folder / "elsewhere"
    here.mkdir()
    there.mkdir()
    made, carried = here / "aura.bundle", there / "aura.bundle"
    aura = Path(sys.executable).parent / "aura"
    make_key: list[str | Path] = [aura, "bundle", "key", "-o", here / "signing.key", "--json"]
    key = json.loads(_run(report, "key", make_key, here))
    what: list[str | Path] = [aura, "bundle", "create", "--profile", "demo", "-o", made]
    facts = json.loads(_run(report, "create", [*what, "--key", here / "signing.key", "--json"], here))
    report.bundle_mb, report.files = round(facts["bytes"] / 1e6, 1), facts["files"]
    shutil.copyfile(made, carried)
    # The Python that the environment here was made from has nothing of ours.
    bare = Path(sys.base_prefix) / "bin" / "python3"
    traces: list[Path] = []

    def cut_off(step: str, words: Sequence[str | Path]) -> str:
        trace = there / f"{step}.trace"
        prefix, problem = tracer(trace)
        if problem:
            raise EngineUnavailable(f"Nothing can be shown: {problem}.")
        traces.append(trace)
        return _run(report, step, [*_LOOPBACK_ONLY, *prefix, *words], there)

    installation = there / "installed"
    cut_off("install", [bare, carried, "install", "--to", installation, "--key", key["public_key"]])
    shutil.rmtree(here)
    installed = installation / "current" / "environment" / "bin" / "aura"
    cut_off("demo", [installed, "demo", "--lockstep", "-o", there / "demo.wav"])
    (there / "lamp.md").write_text(DOCUMENT, encoding="utf-8")
    cut_off("document", [installed, "ingest", there / "lamp.md"])
    hits = cut_off("search", [installed, "search", QUESTION, "--json"])
    if "seven minutes past nine" not in hits:
        report.wrong.append("the added document is not found")
    served = there / "served.json"
    cut_off("page", [bare, "-c", _SERVE_AND_FETCH, installed, served])
    page = json.loads(served.read_text("utf-8"))
    report.page_bytes = page["bytes"]
    if not page["is_html"]:
        report.wrong.append("the served page is no HTML")
    return AirGap(report, tuple(traces))


def _run(report: AirGapReport, step: str, words: Sequence[str | Path], folder: Path) -> str:
    """What the command prints; its time goes into the report."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AURA_", "PYTHON"))}
    home = {
        "AURA_HOME": folder / "installed" / "home",
        "AURA_MASTER_KEY_FILE": folder / "keys" / "master.key",
    }
    settings = {"AURA_LIMITS__DISK_RESERVE_BYTES": "0", **{name: str(path) for name, path in home.items()}}
    started_s = time.monotonic()
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=kept | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=WITHIN_S,
        check=False,
    )
    report.seconds[step] = round(time.monotonic() - started_s, 1)
    if done.returncode != 0:
        raise EngineUnavailable(f"{step} failed: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout
