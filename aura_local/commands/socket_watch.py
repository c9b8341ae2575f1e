"""What the kernel says about this process's sockets, native code's included, looked at many times a second.

Python's guard sees what Python does; these tables show every Internet socket that the process or one of
its children has open, whoever opened it. A socket that lives shorter than `INTERVAL_S` can be missed;
`network_trace.py` misses none, where it may be used.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

INTERVAL_S: Final = 0.02
DOMAIN_PORT: Final = 53
"""Of name servers. One on this machine passes a lookup on to others."""
_TABLES: Final = ("tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6", "icmp", "icmp6")
_SOCKET: Final = "socket:["


@dataclass(frozen=True, slots=True, order=True)
class SeenSocket:
    """An Internet socket of this process or of a process that it started."""

    protocol: str
    """Name of the kernel's table, e.g. `tcp6`."""
    remote_address: str
    """Unspecified (`0.0.0.0`, `::`) while it is not connected."""
    remote_port: int

    @property
    def leaves_the_machine(self) -> bool:
        address = ipaddress.ip_address(self.remote_address)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return not (address.is_loopback or address.is_unspecified)

    @property
    def is_lookup(self) -> bool:
        return self.remote_port == DOMAIN_PORT


class SocketWatch:
    """Looks at the sockets from a thread of its own, between entering and leaving the block."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._seen: set[SeenSocket] = set()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="socket-watch", daemon=True)
        self.samples = 0
        """How often it has looked."""

    def __enter__(self) -> SocketWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Take one sample now."""
        found = set(sockets_of(self._proc, os.getpid()))
        with self._changed:
            self.samples += 1
            self._seen |= found
            self._changed.notify_all()

    def wait_for(self, wanted: Callable[[SeenSocket], bool], timeout_s: float) -> bool:
        """Whether such a socket is seen in time. Blocking."""
        with self._changed:
            return self._changed.wait_for(lambda: any(map(wanted, self._seen)), timeout_s)

    def take(self) -> list[SeenSocket]:
        """Everything seen since the last call, in order."""
        with self._changed:
            seen, self._seen = self._seen, set()
            return sorted(seen)

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            self.look()


def sockets_of(proc: Path, process_id: int) -> Iterator[SeenSocket]:
    """Internet sockets that a process and its descendants have open now."""
    for one in _with_descendants(proc, process_id):
        inodes = set(_inodes(proc / str(one)))
        if inodes:
            for table in _TABLES:
                yield from _rows(proc / str(one) / "net" / table, inodes)


def _with_descendants(proc: Path, process_id: int) -> Iterator[int]:
    yield process_id
    with contextlib.suppress(OSError):
        for task in (proc / str(process_id) / "task").iterdir():
            with contextlib.suppress(OSError):
                for child in (task / "children").read_text(encoding="ascii").split():
                    yield from _with_descendants(proc, int(child))


def _inodes(process: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                target = os.readlink(descriptor)
                if target.startswith(_SOCKET):
                    yield target[len(_SOCKET) : -1]


def _rows(table: Path, inodes: set[str]) -> Iterator[SeenSocket]:
    try:
        lines = table.read_text(encoding="ascii", errors="replace").splitlines()[1:]
    except OSError:
        return  # no such protocol here, or the process has ended
    for line in lines:
        columns = line.split()
        if len(columns) > 9 and columns[9] in inodes:
            address, _, port = columns[2].partition(":")
            yield SeenSocket(table.name, _address(address), int(port, 16))


def _address(words: str) -> str:
    """`0100007F` is 127.0.0.1: 32-bit words in the machine's order of bytes."""
    numbers = [int(words[start : start + 8], 16) for start in range(0, len(words), 8)]
    return str(ipaddress.ip_address(struct.pack(f"={len(numbers)}I", *numbers)))
