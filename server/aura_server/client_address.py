"""From which address a client comes, as limits count it. Layer 5."""

from __future__ import annotations

import ipaddress
from typing import Final

from starlette.types import Scope

NETWORK_BITS: Final = 64
"""Of an IPv6 address: whoever has one address of such a network can use all the others."""


def address_of(scope: Scope) -> str:
    """The client's IPv4 address or IPv6 network; `unknown` for local sockets and in-process calls.

    Taken from the connection alone: headers such as X-Forwarded-For are written by whoever likes to. Behind
    a reverse proxy all clients therefore share its address, and the limits per address hold for all of them.
    """
    client = scope.get("client")
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), NETWORK_BITS), strict=False))
