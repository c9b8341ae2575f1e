"""Offline is the default: nothing in this process reaches another machine. Layer 0.

`forbid_egress` is the first thing that every command calls, before any heavy import: libraries read their
environment when they are imported (huggingface_hub does), so a switch that is set later is not seen.

Two nets, one behind the other. The environment asks libraries not to go out; an audit hook of the
interpreter refuses what goes out all the same, and counts it. The hook sees every connection and name
lookup made through Python's `socket` module, that is, all of asyncio, http clients and telemetry. It does
not see native code that opens sockets by itself, nor other processes, nor the lookup of a name that is
handed to `socket.connect` without `getaddrinfo` (the interpreter resolves it first; the connection is
refused). For those there is the network namespace of the test suite, and of a careful installation
(`confinement.py` says whether there is one).

What may go out nevertheless needs a permit for one host and one purpose (`egress_permits.py`).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final, NoReturn

from aura_local.egress_permits import (
    parse_address,
    permit_for_connection,
    permit_for_lookup,
    plain_address,
    tell_holder,
)
from aura_local.egress_record import DeniedAttempt, EgressRecord, EgressSummary
from aura_local.errors import EgressDenied

OFFLINE_ENVIRONMENT: Final = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ANONYMIZED_TELEMETRY": "False",  # chromadb
    # onnxruntime from 1.29 on reports to its maker from a native thread, out of the audit hook's sight.
    "ORT_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
"""What must hold whatever the caller's environment says."""

# An audit hook belongs to the process and can never be removed; so does what it has counted.
_record: Final = EgressRecord()


def forbid_egress(environment: MutableMapping[str, str] | None = None) -> None:
    """Refuse every connection but local ones and what a permit allows, for the rest of the process.

    Idempotent. From now on such calls raise `EgressDenied` where they are made.
    """
    variables = os.environ if environment is None else environment
    variables.update(OFFLINE_ENVIRONMENT)
    for name, value in _thread_environment().items():
        variables.setdefault(name, value)
    if _record.install_once():
        sys.addaudithook(_audit)


def silence_libraries() -> None:
    """Ask libraries to stay offline, and nothing else; to be called before they are imported. Idempotent.

    Every engine is opened behind this, also in programs that embed AURA Local and never forbid egress.
    """
    os.environ.update(OFFLINE_ENVIRONMENT)


def denied_attempts() -> tuple[DeniedAttempt, ...]:
    """The latest refused attempts, oldest first, at most `REMEMBERED_ATTEMPTS`."""
    return _record.denied_attempts()


def denied_count() -> int:
    """Attempts refused since the process began."""
    return _record.denied_count()


def egress_summary() -> EgressSummary:
    """What the guard has counted since the process began."""
    return _record.summary()


def _thread_environment() -> dict[str, str]:
    """How native engines use cores, unless the operator says otherwise.

    CTranslate2 starts four threads whatever the machine has, idle threads of OpenMP and OpenBLAS spin
    (measured: a full-window transcription cost 278 instead of 165 CPU-ms), and the tokenizers' pool warns
    after a fork. Engines ask for the threads they need; the core budget (`cores.py`) grants them.
    """
    return {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "KMP_BLOCKTIME": "0",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    check = _CHECKS.get(event)
    if check is not None:
        check(event, arguments)


def _refuse(operation: str, target: str) -> NoReturn:
    _record.denied(DeniedAttempt(operation, target, tell_holder(target)))
    raise EgressDenied(f"This installation is offline: {operation} to {target} was refused.")


def _count_socket(_event: str, arguments: tuple[Any, ...]) -> None:
    """`socket.__new__`: (socket, family, type, protocol)."""
    family = arguments[1]
    if family != -1:  # -1: found out by the kernel, from a descriptor that is there already
        _record.socket(socket.AddressFamily(family).name if family in _FAMILIES else str(family))


def _check_address(event: str, arguments: tuple[Any, ...]) -> None:
    """`socket.connect`, `socket.sendto`, `socket.sendmsg`: (socket, address)."""
    connection, address = arguments
    if address is None or connection.family in _LOCAL_FAMILIES:  # no address: the socket is connected
        return
    if connection.family not in _INTERNET_FAMILIES:
        _refuse(event, str(connection.family))
    host, port = address[:2]
    if _is_loopback(host):
        _record.local()
        return
    parsed = parse_address(host)
    if event == "socket.connect" and parsed is not None:
        purpose = permit_for_connection(parsed, port, connection.type)
        if purpose is not None:
            _record.permitted(purpose)
            return
    _refuse(event, f"{host}:{port}")


def _check_lookup(event: str, arguments: tuple[Any, ...]) -> None:
    """`socket.getaddrinfo` (host, port, ...), `socket.gethostbyname` and `.gethostbyaddr` (host).

    A numeric address is no lookup: a server may listen on any; connecting is checked by itself.
    """
    host = arguments[0]
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", "replace")
    if not host or host == "localhost":
        return
    if parse_address(host) is not None and (event != "socket.gethostbyaddr" or _is_loopback(host)):
        return
    purpose = permit_for_lookup(host, arguments[1]) if event == "socket.getaddrinfo" else None
    if purpose is None:
        _refuse(event, str(host))
    _record.permitted(purpose)


def _check_reverse_lookup(event: str, arguments: tuple[Any, ...]) -> None:
    """`socket.getnameinfo` (address,)."""
    host = arguments[0][0]
    if not _is_loopback(host):
        _refuse(event, str(host))


_CHECKS: Final[dict[str, Callable[[str, tuple[Any, ...]], None]]] = {
    "socket.__new__": _count_socket,
    "socket.connect": _check_address,
    "socket.sendto": _check_address,
    "socket.sendmsg": _check_address,
    "socket.getaddrinfo": _check_lookup,
    "socket.gethostbyname": _check_lookup,
    "socket.gethostbyaddr": _check_lookup,
    "socket.getnameinfo": _check_reverse_lookup,
}
_FAMILIES: Final = frozenset(socket.AddressFamily)
_INTERNET_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
_LOCAL_FAMILIES: Final = tuple(
    getattr(socket, name) for name in ("AF_UNIX", "AF_NETLINK", "AF_ALG") if hasattr(socket, name)
)
"""They end at this machine's kernel."""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    address = parse_address(host)
    return address is not None and plain_address(address).is_loopback
