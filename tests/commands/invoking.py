"""Runs commands of `aura` inside the test process."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from aura_local.commands.application import build_application


@contextmanager
def logging_kept() -> Iterator[None]:
    """Commands set logging up for their process; the test run wants its own back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


class Aura:
    """The command, with a data folder and master key of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.environment = {
            "AURA_HOME": str(self.home),
            "AURA_MASTER_KEY_FILE": str(folder / "keys" / "master.key"),
            "AURA_LIMITS__DISK_RESERVE_BYTES": "0",
        }

    def __call__(self, *arguments: str, code: int = 0, typed: str | None = None) -> Result:
        """Run a command that must end with the exit code `code`; `typed` is its standard input."""
        with logging_kept():
            result = CliRunner().invoke(
                build_application(), list(arguments), env=self.environment, input=typed
            )
        assert result.exit_code == code, f"{result.exit_code}: {result.output}{result.exception!r}"
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command prints with `--json`."""
        return json.loads(self(*arguments, "--json", code=code).stdout)
