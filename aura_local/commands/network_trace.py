"""Every system call on sockets by strace, where it is there and allowed: no socket is too short-lived."""

from __future__ import annotations

import ipaddress
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aura_local.commands.socket_watch import DOMAIN_PORT

_TRY_WITHIN_S: Final = 10.0
_FLAGS: Final = ("-f", "-qq", "--seccomp-bpf", "-e", "trace=socket,connect,sendto,sendmsg,sendmmsg")
_SOCKET: Final = re.compile(r"\bsocket\((?:AF|PF)_(\w+)")
_REACHES_OUT: Final = re.compile(r"\b(?:connect|sendto|sendmsg|sendmmsg)\(")
_ADDRESS: Final = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([0-9a-f.:]+)"')
_PORT: Final = re.compile(r"_port=htons\((\d+)\)")
_RESOLVER: Final = "io.systemd.Resolve"
"""Local socket that takes lookups; the process behind it asks others."""
_CACHE: Final = "/nscd/socket"
# glibc's cache is asked for users too, which is no lookup; its requests for hosts are 4 to 7, 13 and 14.
_HOST_REQUEST: Final = re.compile(r'sendto\(\d+, "\\2\\0\\0\\0(?:\\[4-7]|\\a|\\r|\\1[56])\\0\\0\\0')


@dataclass(frozen=True, slots=True)
class NetworkTrace:
    """What a trace holds."""

    sockets: dict[str, int] = field(default_factory=dict)
    """Sockets made, by family, e.g. `INET`."""
    local: tuple[str, ...] = ()
    """Addresses of this machine that were connected or sent to, with ports."""
    foreign: tuple[str, ...] = ()
    """Addresses of other machines."""
    lookups: tuple[str, ...] = ()
    """Name servers that were asked, on this machine or another."""


def tracer(log: Path) -> tuple[tuple[str, ...], str]:
    """The command to put before another so that it is traced into `log`, or why there is none."""
    strace = shutil.which("strace")
    if strace is None:
        return (), "strace is not installed"
    try:
        probe = subprocess.run(
            [strace, *_FLAGS, "-o", "/dev/null", "true"],
            capture_output=True,
            timeout=_TRY_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return (), "strace does not start"
    if probe.returncode != 0:
        return (), "this system does not allow strace"
    return (strace, *_FLAGS, "-o", str(log)), ""


def read_trace(lines: Iterable[str]) -> NetworkTrace:
    """Sort the calls of a trace, from all processes and threads."""
    families: Counter[str] = Counter()
    local: set[str] = set()
    foreign: set[str] = set()
    lookups: set[str] = set()
    for line in lines:
        if made := _SOCKET.search(line):
            families[made[1]] += 1
        if not _REACHES_OUT.search(line):
            continue
        if _RESOLVER in line:
            lookups.add(_RESOLVER)
        if _HOST_REQUEST.search(line):
            lookups.add(_CACHE)
        ports = _PORT.findall(line) or ["?"]
        for number, text in enumerate(_ADDRESS.findall(line)):
            port = ports[min(number, len(ports) - 1)]
            target = f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
            (local if _is_local(text) else foreign).add(target)
            if port == str(DOMAIN_PORT):
                lookups.add(target)
    return NetworkTrace(dict(families), tuple(sorted(local)), tuple(sorted(foreign)), tuple(sorted(lookups)))


def _is_local(text: str) -> bool:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified
