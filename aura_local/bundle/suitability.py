"""Whether a bundle is for this machine, newer than what is there, and fits on the disk. Layer 4.

Standard library and `aura_local.errors` only.
"""

from __future__ import annotations

import errno
import json
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from aura_local.bundle.ed25519 import KEY_BYTES
from aura_local.bundle.layout import canonical
from aura_local.bundle.manifest import Manifest
from aura_local.errors import Conflict, InvalidRequest, StorageDamaged, StorageFull, StorageUnavailable

FreeBytes: TypeAlias = Callable[[Path], int]

RESERVE_BYTES: Final = 256 * 1024 * 1024
"""Left free by an installation, for logs and the first documents."""

_RECORD_LIMIT_BYTES: Final = 4096
_MB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Installed:
    """What is remembered of the bundle that was installed last."""

    version: str
    serial: int
    manifest_sha256: str
    public_key: bytes

    def encoded(self) -> bytes:
        value = {"version": self.version, "serial": self.serial, "manifest_sha256": self.manifest_sha256}
        return canonical(value | {"public_key": self.public_key.hex()})


def read_installed(path: Path) -> Installed | None:
    """None where nothing was installed. Raises `StorageDamaged` for a record that cannot be read: without
    it nobody could tell whether a bundle is older.
    """
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_RECORD_LIMIT_BYTES))
        found = Installed(
            str(value["version"]),
            int(value["serial"]),
            str(value["manifest_sha256"]),
            bytes.fromhex(value["public_key"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageDamaged(f"{path} is damaged: remove it to install without comparing.") from error
    if len(found.public_key) != KEY_BYTES:
        raise StorageDamaged(f"{path} is damaged: remove it to install without comparing.")
    return found


def this_platform() -> str:
    return f"{sys.platform}-{platform.machine().lower()}"


def this_python() -> str:
    return f"cp{sys.version_info.major}{sys.version_info.minor}"


def refuse_unsuitable(manifest: Manifest, *, machine: str | None = None, python: str | None = None) -> None:
    """Raises `InvalidRequest` for a bundle with wheels of another system or another Python."""
    here, interpreter = machine or this_platform(), python or this_python()
    if manifest.platform != here:
        raise InvalidRequest(
            f"The bundle is for {manifest.platform}, and this machine is {here}: make one with "
            f"`aura bundle create --platform {here}`.",
            code="bundle_for_other_machine",
        )
    if manifest.python != interpreter:
        wanted = f"{manifest.python[2]}.{manifest.python[3:]}"
        raise InvalidRequest(
            f"The bundle is for Python {wanted}, and this is {interpreter[2]}.{interpreter[3:]}: run it with "
            f"python{wanted}, or make one with this Python.",
            code="bundle_for_other_python",
        )


def refuse_older(manifest: Manifest, installed: Installed | None, *, allow_older: bool) -> None:
    """Raises `Conflict` for an older version, or an older bundle of the same version."""
    if installed is None or allow_older:
        return
    older = _order(manifest.version) < _order(installed.version) or manifest.serial < installed.serial
    if older:
        raise Conflict(
            f"The bundle holds {manifest.version} of {manifest.created}, and a newer one is installed "
            f"({installed.version}): nothing was changed; --allow-older goes back all the same.",
            code="bundle_older",
        )


def refuse_without_room(needed_bytes: int, folder: Path, free: FreeBytes) -> None:
    """Raises `StorageFull` before anything is written where less than the reserve would be left."""
    room_bytes = free(folder)
    if needed_bytes + RESERVE_BYTES > room_bytes:
        raise StorageFull(
            f"This takes {needed_bytes / _MB:,.0f} MB and {RESERVE_BYTES / _MB:,.0f} MB stay in reserve, but "
            f"{folder} has {room_bytes / _MB:,.0f} MB free: make room, then do it again."
        )


def free_bytes(folder: Path) -> int:
    """Free space where `folder` is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@contextmanager
def file_errors_told(path: Path) -> Iterator[None]:
    """Turn failures of the operating system while working under `path` into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(f"There is no space left in {path}.") from error
        raise StorageUnavailable(f"{path} cannot be used: {error.strerror}.") from error


def _order(version: str) -> tuple[int, ...]:
    """The numbers of a version; what stands behind them (`rc1`) does not count: the serial orders those."""
    plain = re.match(r"(?:[0-9]+\.?)*", version)
    numbers = [int(number) for number in re.findall(r"[0-9]+", "" if plain is None else plain[0])]
    return tuple([*numbers, 0, 0, 0, 0][:4])
