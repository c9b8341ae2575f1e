"""The plugin that leaves out what a machine cannot run, tried on small suites of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CONFTEST = """
from tests.support.requirements import Lack, Requirements

NEEDS = {
    "engines": lambda: None,
    "browser": lambda: Lack("Chromium", "apt-get install chromium"),
    "namespace": lambda: Lack("the right to make a network namespace", ""),
}

def pytest_configure(config):
    for marker in NEEDS:
        config.addinivalue_line("markers", marker)
    config.pluginmanager.register(Requirements(strict=STRICT, needs=NEEDS))
"""

SUITE = """
import pytest

def test_plain(): pass

@pytest.mark.engines
def test_with_engines(): pass

@pytest.mark.browser
def test_page(): raise AssertionError("must not run")

@pytest.mark.namespace
def test_alone(): raise AssertionError("must not run")
"""


def run(folder: Path, *arguments: str, strict: bool = False) -> tuple[int, str]:
    (folder / "conftest.py").write_text(f"STRICT = {strict}\n{CONFTEST}")
    (folder / "test_suite.py").write_text(SUITE)
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder), *arguments]
    # Plugins that other packages bring are not of this suite, and take most of its time to import.
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout


def test_what_cannot_run_is_left_out_and_named(tmp_path: Path) -> None:
    code, output = run(tmp_path)
    assert code == 0, output
    assert "1 tests need Chromium (get it with: apt-get install chromium)" in output
    assert "1 tests need the right to make a network namespace\n" in output
    closing = output.splitlines()[-1]
    assert "2 passed, 2 deselected" in closing


def test_strictly_a_missing_package_fails_the_run(tmp_path: Path) -> None:
    code, output = run(tmp_path, strict=True)
    assert code == 1
    assert "a missing package fails the run" in output


@pytest.mark.parametrize("expression", ["not browser", "engines"])
def test_what_nobody_asked_for_is_not_missed(tmp_path: Path, expression: str) -> None:
    code, output = run(tmp_path, "-m", expression, strict=True)
    assert code == 0, output
    assert "Chromium" not in output


def test_a_right_that_no_package_gives_does_not_fail_the_run(tmp_path: Path) -> None:
    code, _ = run(tmp_path, "-m", "namespace or engines", strict=True)
    assert code == 0
