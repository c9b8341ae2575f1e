"""What importing costs: nothing heavy is loaded before it is used."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

HEAVY = frozenset(
    {
        "torch",
        "chromadb",
        "llama_cpp",
        "ctranslate2",
        "starlette",
        "onnxruntime",
        "faster_whisper",
        "piper",
        "pocketsphinx",
        "sounddevice",
        "uvicorn",
    }
)
NOT_FOR_HELP = HEAVY | {"numpy", "pydantic", "sqlite_utils", "sqlcipher3", "av"}

HELP = """
import sys
from aura_local.commands import main
sys.argv = ["aura", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def modules_after(code: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter has loaded after running `code`."""
    report = "\nimport sys\nprint('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "MODULES"
    return set(last[1:])


@pytest.mark.parametrize("module", ["aura_local", "aura_local.commands", "aura_local.engine"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    assert modules_after(f"import {module}") & HEAVY == set()


def test_help_loads_no_engine_and_no_storage() -> None:
    loaded = modules_after(HELP)
    assert "typer" in loaded
    assert loaded & NOT_FOR_HELP == set()


def test_help_answers_within_half_a_second() -> None:
    command = [sys.executable, "-c", "from aura_local.commands import main; main()", "--help"]
    times_s = []
    for _ in range(3):  # the best of three: the machine may be busy with other tests
        started_s = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        times_s.append(time.perf_counter() - started_s)
    assert "transcribe" in done.stdout
    assert min(times_s) < 0.5
