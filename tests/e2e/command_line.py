"""The command `aura`, run as its user runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.product_server import environment_for

COMMAND_S = 240.0
AURA = (sys.executable, "-c", "import sys; from aura_local.commands import main; sys.exit(main())")


def aura(folder: Path, *arguments: str, wrapper: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run it on the data in `folder`; `wrapper` is a command that executes the rest of its arguments."""
    return subprocess.run(
        [*wrapper, *AURA, *arguments],
        env=environment_for(folder),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
