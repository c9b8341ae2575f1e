"""Permits to reach one other machine for one purpose; without one, `egress.py` refuses. Layer 0.

Nothing in AURA Local asks for a permit unless the operator has set up a login by an identity provider, or
runs `aura models pull` or `aura talk --server`.

A permit belongs to the code inside its `with` block, by a context variable: tasks started there and work
that `anyio.to_thread` does for it hold it too, nobody else does. It names one host and one TCP port. The
name is resolved once, at the beginning, and only those addresses may be connected to, so that a name that
answers otherwise a moment later leads nowhere. Addresses inside the operator's own network are refused
unless the permit says otherwise: a name from outside must not open a door inside.

A blocking client (`httpx.Client`) works by name; it and the permit belong in `anyio.to_thread`, for a name
is resolved blocking. asyncio looks names up on threads of
its own that hold no permit; asynchronous clients connect to one of `Permit.addresses` instead.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from aura_local.errors import EgressDenied, InvalidRequest

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""Host and port to numeric addresses. Blocking; raises `OSError`."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to connect to one host and TCP port, inside one block."""

    host: str
    port: int
    purpose: str
    """For people and the audit log, e.g. `login by identity provider`."""
    tenant_id: str | None
    """On whose behalf; None for the platform."""
    private_allowed: bool
    addresses: tuple[str, ...]
    """What the host resolved to when the permit began; nothing else is connected to."""


@dataclass(frozen=True, slots=True)
class EgressNotice:
    """Something that the holder of a permit did; for the audit log."""

    event: Literal["permitted", "denied"]
    permit: Permit
    target: str
    """What was begun or refused: host and port."""


class _Held:
    """A permit in force, as the guard sees it. `addresses` is empty while the host is being resolved."""

    def __init__(self, host: str, port: int, purpose: str, notify: Callable[[Literal["denied"], str], None]):
        self.host = host
        self.port = port
        self.purpose = purpose
        self.addresses: frozenset[Address] = frozenset()
        self.in_force = True
        self.notify = notify


# An audit hook is given nothing but the call it looks at: who makes it, only the context can tell.
_HELD: ContextVar[tuple[_Held, ...]] = ContextVar("egress_permits", default=())


class EgressPermits:
    """Hands out permits and counts them; one is made where the program is put together."""

    def __init__(
        self,
        observe: Callable[[EgressNotice], None] | None = None,
        *,
        resolve: Resolve | None = None,
    ) -> None:
        """`observe` is called on the thread that acts, before a permitted block begins: raising stops it."""
        self._observe = observe
        self._resolve = _resolve if resolve is None else resolve
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def permit(
        self,
        host: str,
        port: int,
        purpose: str,
        tenant_id: str | None = None,
        *,
        private_allowed: bool = False,
    ) -> Iterator[Permit]:
        """Leave for the block to connect to `host` and `port`. Blocking while the name is resolved.

        Raises `InvalidRequest` for a host or port that cannot be, `EgressDenied` for one that does not
        resolve or only to private addresses.
        """
        name = host.rstrip(".").lower()
        if not name or not 0 < port < 65536 or any(character.isspace() for character in name):
            raise InvalidRequest("A permit is for one host name or address and one port.")

        def refused(event: Literal["denied"], target: str) -> None:
            self._tell(event, current[0], target)

        held = _Held(name, port, purpose, refused)
        current = [Permit(name, port, purpose, tenant_id, private_allowed, ())]
        token = _HELD.set((*_HELD.get(), held))
        try:
            addresses = self._addresses(current[0])
            current[0] = Permit(
                name, port, purpose, tenant_id, private_allowed, tuple(str(one) for one in addresses)
            )
            self._tell("permitted", current[0], f"{name}:{port}")
            held.addresses = frozenset(addresses)
            yield current[0]
        finally:
            # Tasks that outlive the block have a copy of its context; the permit ends for them as well.
            held.in_force = False
            _HELD.reset(token)

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """By purpose, how many permits began (`permitted`) and attempts under one were `denied`."""
        with self._lock:
            found: dict[str, dict[str, int]] = {}
            for (purpose, event), count in self._counts.items():
                found.setdefault(purpose, {"permitted": 0, "denied": 0})[event] = count
            return found

    def _addresses(self, permit: Permit) -> list[Address]:
        literal = parse_address(permit.host)
        try:
            texts = [permit.host] if literal is not None else self._resolve(permit.host, permit.port)
        except OSError as error:
            raise EgressDenied("The host that a permit is for cannot be found.") from error
        found = {plain_address(address) for address in map(parse_address, texts) if address is not None}
        allowed = sorted(
            (address for address in found if permit.private_allowed or _is_public(address)),
            key=lambda address: (address.version, int(address)),
        )
        if not allowed:
            self._tell("denied", permit, f"{permit.host}:{permit.port}")
            raise EgressDenied("The host that a permit is for lies in a private network.")
        return allowed

    def _tell(self, event: Literal["permitted", "denied"], permit: Permit, target: str) -> None:
        with self._lock:
            self._counts[permit.purpose, event] += 1
        if self._observe is not None:
            self._observe(EgressNotice(event, permit, target))


def permit_for_connection(address: Address, port: int, kind: int) -> str | None:
    """The purpose of the permit under which the caller may connect; None without one."""
    for held in _HELD.get():
        reachable = held.port == port and plain_address(address) in held.addresses
        if held.in_force and reachable and kind == socket.SOCK_STREAM:
            return held.purpose
    return None


def permit_for_lookup(host: str, port: object) -> str | None:
    """The purpose of the permit under which the caller may look a name up; None without one."""
    for held in _HELD.get():
        if held.in_force and held.host == host.rstrip(".").lower() and str(port) == str(held.port):
            return held.purpose
    return None


def tell_holder(target: str) -> str:
    """Count a refusal with the permit that the caller holds for something else; its purpose, or empty."""
    held = next((one for one in reversed(_HELD.get()) if one.in_force), None)
    if held is None:
        return ""
    held.notify("denied", target)
    return held.purpose


def parse_address(text: str) -> Address | None:
    """A numeric address, its zone left out; None for a name."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def plain_address(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that stands for it."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


_TRANSLATED: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("2002::/16"))
"""NAT64 and 6to4 carry an IPv4 address, which may be a private one."""


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and any(address in network for network in _TRANSLATED):
        return False
    return address.is_global and not address.is_multicast


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))
