"""The units as `scripts/kiosk/install` writes them, and their lines."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
KIOSK: Final = ROOT / "scripts" / "kiosk"
AURA: Final = Path(sys.executable).with_name("aura")


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with nothing of ours in the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
    return subprocess.run(
        [str(word) for word in command],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def install(root: Path, *options: str) -> Path:
    """Write everything below `root`; the folder of the units."""
    done = run(KIOSK / "install", "--root", root, "--program", AURA, *options)
    assert done.returncode == 0, done.stderr
    return root / "etc/systemd/system"


def settings_of(unit: Path) -> dict[str, list[str]]:
    """Every setting of a unit, with all its values in their order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def command_of(unit: Path, moved: dict[str, str], setting: str = "ExecStart") -> list[str]:
    """The words of the command line, with folders moved to where a test may write and variables filled in."""
    settings = settings_of(unit)
    (line,) = settings[setting]
    return [_moved(word, moved, environment_of(unit, moved)) for word in shlex.split(line)]


def environment_of(unit: Path, moved: dict[str, str]) -> dict[str, str]:
    """What the unit sets by `Environment=`."""
    pairs = (value.split("=", 1) for value in settings_of(unit).get("Environment", []))
    return {name: _moved(value, moved, {}) for name, value in pairs}


def _moved(word: str, moved: dict[str, str], variables: dict[str, str]) -> str:
    for name, value in variables.items():
        word = word.replace(f"${{{name}}}", value)
    for place, other in moved.items():
        if word == place or word.startswith(f"{place}/"):
            return other + word.removeprefix(place)
    return word
