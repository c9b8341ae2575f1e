"""A disk of a few megabytes, and a program that runs where nothing but it can see that disk. Layer 4."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from aura_local.errors import ConfigurationError

_MOUNT_AND_RUN: Final = 'mount -t tmpfs -o "size=$1" aura "$2" && shift 2 && exec "$@"'


def run_on_small_disk(folder: Path, size_mib: int, program: str, *arguments: str) -> str:
    """Run Python code in a mount namespace where `folder` is an empty disk of this size; what it prints.

    Blocks. The disk is gone afterwards. Raises `ConfigurationError` where the system gives us no namespace,
    and with what the program said when it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = ["unshare", "--mount", "sh", "-c", _MOUNT_AND_RUN, "sh", f"{size_mib}m", str(folder)]
    command += [sys.executable, "-c", program, *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, check=False, text=True)
    except FileNotFoundError as error:
        raise ConfigurationError("The program unshare is needed: apt-get install util-linux") from error
    if ended.returncode != 0:
        raise ConfigurationError(f"On a small disk nothing could be run: {ended.stderr[-2000:]}")
    return ended.stdout


class Filler:
    """Takes all the space that is left on the disk of a folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "filler"

    def fill(self) -> int:
        """Bytes taken; not one is left."""
        with self._path.open("ab", buffering=0) as file:
            for size_bytes in (1024 * 1024, 64 * 1024, 4096, 512, 1):
                try:
                    while file.write(b"\0" * size_bytes) == size_bytes:
                        pass
                except OSError:
                    continue
            return file.tell()

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
