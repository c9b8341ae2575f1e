"""Checks on the files themselves that no linter makes. Run by scripts/check, in the checkout's root."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 300
"""Of a source file outside tests; no exception is made."""
VAGUE_NAMES = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "misc"})
SOURCE_SUFFIXES = frozenset({".py", ".js", ".mjs", ".css", ".html", ".sh"})
LEFTOVERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|^(<{7}|>{7}) ", re.MULTILINE)
LARGEST_TEXT_BYTES = 1024 * 1024


def files() -> Iterator[Path]:
    """What is, or is about to be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    for name in sorted(filter(None, listed.decode().split("\0"))):
        path = ROOT / name
        if path.is_file():
            yield path


def text_of(path: Path) -> str | None:
    """None for what is no text."""
    content = path.read_bytes() if path.stat().st_size <= LARGEST_TEXT_BYTES else b"\0"
    if b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def problems() -> Iterator[str]:
    for path in files():
        name = path.relative_to(ROOT)
        in_tests = name.parts[0] == "tests"
        if path.stem.lower() in VAGUE_NAMES:
            yield f"{name}: the name says nothing about what is in it"
        text = text_of(path)
        if text is None:
            continue
        lines = text.count("\n")
        if path.suffix in SOURCE_SUFFIXES and not in_tests and lines > MOST_LINES:
            yield f"{name}: {lines} lines, at most {MOST_LINES} are allowed"
        if path != Path(__file__) and (leftover := LEFTOVERS.search(text)):
            yield f"{name}:{text.count(chr(10), 0, leftover.start()) + 1}: left over: {leftover[0].strip()}"
        if len(ROOT.parts) > 2 and f"{ROOT}/" in text:
            yield f"{name}: names the place of this checkout, {ROOT}"
    yield from version_problems()


def version_problems() -> Iterator[str]:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    module = re.search(r'^__version__ = "(.+)"$', (ROOT / "aura_local/__init__.py").read_text(), re.MULTILINE)
    heading = re.search(r"^## \[?v?([0-9][^\]\s]*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    for place, found in (("aura_local/__init__.py", module), ("the newest heading of CHANGELOG.md", heading)):
        if found is None or found[1] != version:
            yield f"pyproject.toml has version {version}, {place} has {found[1] if found else 'none'}"


def main() -> int:
    found = list(problems())
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
