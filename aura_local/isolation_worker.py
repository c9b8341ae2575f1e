"""The inside of a one-shot worker process, and the wire format it shares with its parent. Layer 0.

The worker reads one request from standard input, gives up what it does not need, runs one job on the
bytes it was given, writes one response to a private copy of standard output, and exits. It is started
fresh for every file (`isolation.run_isolated`) and imports nothing but the job.

Message, both ways: 4 bytes big-endian length of a JSON header, the header, and then as many bytes as
its field `payload_bytes` says. No pickle: whoever takes over a worker can send bytes, not objects.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Final

from aura_local.errors import AuraError

LENGTH: Final = struct.Struct(">I")
HEADER_LIMIT_BYTES: Final = 4096

JOBS: Final[dict[str, str]] = {
    "audio.decode": "aura_local.audio.decode:decode_in_worker",
    "document.extract": "aura_local.retrieval.extraction:extract_in_worker",
    "isolation.probe": "aura_local.isolation_worker:probe",
}
"""Everything a worker can be asked to do: name -> function from bytes to bytes."""

_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38


def pack(header: dict[str, Any], payload: bytes) -> bytes:
    """One message."""
    encoded = json.dumps({**header, "payload_bytes": len(payload)}).encode()
    return LENGTH.pack(len(encoded)) + encoded + payload


def probe(_payload: bytes) -> bytes:
    """The job that only proves a worker can start; its response header tells the sandbox in force."""
    return b""


def main() -> None:
    """Serve one request and exit; every outcome but a crash is a response."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not write into the response
    header, payload = _read(sys.stdin.buffer)
    # Even when the parent is gone (kill -9), nothing outlives its deadline.
    signal.setitimer(signal.ITIMER_REAL, float(header["wall_s"]) + 1.0)
    sandbox = {"network_cut": cut_network()}
    function = _find(str(header["job"]))
    sandbox["memory_limited"] = _limit_resources(int(header["cpu_s"]), int(header["memory_bytes"]))
    response: dict[str, Any] = {"outcome": "done", "sandbox": sandbox}
    try:
        result = function(payload)
    except AuraError as error:
        result, response = b"", {"outcome": "refused", "code": error.code, "message": error.message[:300]}
    except MemoryError:
        result, response = b"", {"outcome": "out_of_memory"}
    output.write(pack(response, result))
    output.flush()
    os._exit(0)  # no teardown of native libraries that untrusted bytes have been through


def _read(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    (length,) = LENGTH.unpack(stream.read(LENGTH.size))
    header = json.loads(stream.read(length))
    return header, stream.read(header["payload_bytes"])


def _find(job: str) -> Callable[[bytes], bytes]:
    module, _, name = JOBS[job].partition(":")
    function: Callable[[bytes], bytes] = getattr(importlib.import_module(module), name)
    return function


def cut_network() -> bool:
    """Move into an empty network namespace; whether the system allows it."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    attempts = (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET)  # the second needs no privilege
    return any(libc.unshare(flags) == 0 for flags in attempts)


def _limit_resources(cpu_s: int, memory_bytes: int) -> bool:
    """Apply the limits of this process; whether memory is among them.

    Address space is limited to what is mapped now (interpreter, libraries, the file itself) plus what is
    left of `memory_bytes` above the resident set, so that the resident set cannot pass `memory_bytes`.
    """
    limits = [
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_NPROC, 0, 0),  # the superuser is exempt
    ]
    for kind, soft, hard in limits:
        with contextlib.suppress(ValueError, OSError):  # the system's own limit is lower already
            resource.setrlimit(kind, (soft, hard))
    try:
        with open("/proc/self/statm", "rb") as statm:
            mapped_pages, resident_pages = (int(field) for field in statm.read().split()[:2])
        page_bytes = resource.getpagesize()
        limit_bytes = mapped_pages * page_bytes + max(memory_bytes - resident_pages * page_bytes, 1 << 26)
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    except (ValueError, OSError):  # not Linux
        return False
    return True
