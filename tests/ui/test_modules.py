"""The page's pure modules, tested by Node's own test runner: `node --test tests/ui/*.test.mjs`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.test.mjs")), ids=lambda path: path.stem)
def test_module(file: Path) -> None:
    run = subprocess.run(
        ["node", "--test", "--test-reporter=tap", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "# pass 0" not in run.stdout
