"""What holds this process back from other machines apart from our own code. Layer 0.

The guard of `egress.py` sees what Python code does. Native libraries open sockets by themselves; those are
held by the system or not at all: by a network namespace that has only loopback, or by the address filter
of a systemd unit. This module finds out which of the two is in force. It changes nothing and asks no
other machine.
"""

from __future__ import annotations

import ipaddress
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

ConfinementKind: TypeAlias = Literal["namespace", "systemd", "none"]
ReadUnit: TypeAlias = Callable[[str], Mapping[str, str]]
"""Name of a unit to its properties IPAddressDeny and IPAddressAllow; empty when systemd cannot be asked."""

_ASK_WITHIN_S: Final = 5.0
_UNIT: Final = re.compile(r"[A-Za-z0-9:_.@\\-]+\.service")
_EVERYTHING: Final = frozenset({"0.0.0.0/0", "::/0"})
# The kernel puts these into every namespace where their modules are loaded; down and without a route.
_TUNNELS: Final = frozenset(
    {"tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0"}
)


@dataclass(frozen=True, slots=True)
class Confinement:
    """Which measure of the system is in force."""

    kind: ConfinementKind
    holds_native_code: bool
    """Whether it also stops libraries that open sockets by themselves."""
    explanation: str
    """What it protects against, in one or two sentences."""
    reachable: tuple[str, ...] = ()
    """Networks that systemd lets through although it refuses the rest."""


def confinement(proc: Path = Path("/proc"), read_unit: ReadUnit | None = None) -> Confinement:
    """Look at this process. Blocking, up to five seconds where systemd has to be asked."""
    interfaces = _interfaces(proc)
    if interfaces == {"lo"}:
        return Confinement(
            "namespace",
            True,
            "A network namespace with loopback alone: no code of this process, native code included, and no "
            "process that it starts can reach another machine.",
        )
    unit = _own_unit(proc)
    if unit is not None:
        found = _by_systemd((_ask_systemd if read_unit is None else read_unit)(unit))
        if found is not None:
            return found
    unplugged = interfaces is not None and not _has_route(proc)
    return Confinement(
        "none",
        False,
        "Nothing but AURA Local's own guard, which refuses what Python code does; native code that opened a "
        "socket by itself would not be held. "
        + ("There is no route to another network at the moment. " if unplugged else "")
        + "See docs/operator_guide.md, Offline, for a systemd unit that closes this.",
    )


def _interfaces(proc: Path) -> set[str] | None:
    """Network interfaces of this process's namespace; None where the system does not tell.

    `/sys/class/net` would show those of the namespace it was mounted in.
    """
    try:
        lines = (proc / "self/net/dev").read_text(encoding="ascii", errors="replace").splitlines()[2:]
    except OSError:
        return None
    names = {line.partition(":")[0].strip() for line in lines}
    return names if _has_route(proc) else names - _TUNNELS


def _has_route(proc: Path) -> bool:
    """Whether a route leads out by an interface other than loopback."""
    for name, column in (("route", 0), ("ipv6_route", -1)):
        try:
            text = (proc / "self/net" / name).read_text(encoding="ascii", errors="replace")
        except OSError:
            continue  # no IPv4, or no IPv6
        rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("Iface")]
        if any(row[column] != "lo" for row in rows):
            return True
    return False


def _own_unit(proc: Path) -> str | None:
    """The system service that this process belongs to.

    Units of a user's own manager are left out: it has not the right to filter addresses, and says so only
    in its log. So are machines without unified control groups, on which the filter does not work.
    """
    try:
        groups = (proc / "self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for group in groups:
        path = group.removeprefix("0::")
        if group.startswith("0::/system.slice/"):
            units = [part for part in path.split("/") if _UNIT.fullmatch(part)]
            return units[0] if units else None
    return None


def _ask_systemd(unit: str) -> Mapping[str, str]:
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return {}
    command = [systemctl, "show", unit, "--property=IPAddressDeny,IPAddressAllow", "--no-pager"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_ASK_WITHIN_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)


def _by_systemd(properties: Mapping[str, str]) -> Confinement | None:
    denied = set(properties.get("IPAddressDeny", "").split())
    if "any" not in denied and not denied >= _EVERYTHING:
        return None
    allowed = tuple(name for name in properties.get("IPAddressAllow", "").split() if not _is_loopback(name))
    explanation = (
        "The address filter of this systemd unit: packets of this process, native code and the processes "
        "that it starts included, reach "
    )
    explanation += f"{', '.join(allowed)} and this machine alone." if allowed else "this machine alone."
    return Confinement(
        "systemd",
        True,
        explanation
        + " It needs the kernel's control-group filters; systemd's log tells where they are missing.",
        allowed,
    )


def _is_loopback(network: str) -> bool:
    if network == "localhost":
        return True
    try:
        return ipaddress.ip_network(network, strict=False).is_loopback
    except ValueError:
        return False
