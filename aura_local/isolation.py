"""Opens untrusted files in one-shot worker processes. Layer 0.

Parsers and decoders of foreign bytes hang, crash and get taken over; here that ends one process which
has no network, no environment, no secrets, a bounded memory and a few seconds to live. The worker is
started by exec in a fresh interpreter: a forked child shares locks and native state with the server.
What the worker answers is as untrusted as the file it read: sizes are capped, messages cleaned.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, Final

import anyio
from anyio.abc import ByteSendStream, Process

from aura_local.errors import (
    AudioUnreadable,
    AuraError,
    DeadlineExceeded,
    DocumentUnreadable,
    PayloadTooLarge,
    StorageUnavailable,
    UnreadableInput,
    UnsupportedMedia,
)
from aura_local.isolation_worker import HEADER_LIMIT_BYTES, JOBS, LENGTH, pack

_MIB: Final = 1024 * 1024
_MESSAGE_LIMIT_CHARACTERS: Final = 300

_REFUSALS: Final[dict[str, type[AuraError]]] = {
    error.default_code: error
    for error in (UnsupportedMedia, DocumentUnreadable, AudioUnreadable, PayloadTooLarge)
}
"""The only errors that a worker can make its parent raise."""

# The directory is appended, not put first: in a checkout it makes the package importable, in an
# installation it is site-packages and there already.
_BOOT: Final = (
    "import sys; sys.path.append(sys.argv[1]); from aura_local.isolation_worker import main; main()"
)
_PACKAGE_PARENT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one worker may use."""

    wall_s: float = 60.0
    """From start to the last byte of its answer."""
    cpu_s: int = 30
    memory_bytes: int = 512 * _MIB
    """Resident memory; enforced where the system can (see `sandbox_level`)."""
    input_bytes: int = 64 * _MIB
    output_bytes: int = 64 * _MIB


@dataclass(frozen=True, slots=True)
class SandboxLevel:
    """Which best-effort measures hold on this machine; process, deadline and CPU limit always do."""

    network_cut: bool
    memory_limited: bool


async def run_isolated(
    job: str, payload: bytes, *, limits: WorkerLimits, unreadable: Callable[[], UnreadableInput]
) -> bytes:
    """Run `job` (a key of `JOBS`) on `payload` in a process of its own and return its bytes.

    Raises what the job refuses with (one of `_REFUSALS`), `PayloadTooLarge` where input, output or
    memory pass the limits, `DeadlineExceeded` where time does, and `unreadable` when the worker dies or
    answers nonsense. Cancelling the call kills the worker; none outlives it.

    `unreadable` makes the error once it is needed. One made beforehand and kept in a variable would hold, by
    its traceback, the frame that holds it, and the whole file in it until the garbage collector comes.
    """
    _header, result = await _converse(job, payload, limits, unreadable)
    return result


async def sandbox_level() -> SandboxLevel:
    """Start one worker and report which measures it could apply to itself."""

    def unreadable() -> UnreadableInput:
        return UnreadableInput("The worker process for reading files does not start.")

    header, _ = await _converse("isolation.probe", b"", WorkerLimits(), unreadable)
    sandbox = header.get("sandbox", {})
    return SandboxLevel(
        network_cut=sandbox.get("network_cut") is True,
        memory_limited=sandbox.get("memory_limited") is True,
    )


async def _converse(
    job: str, payload: bytes, limits: WorkerLimits, unreadable: Callable[[], UnreadableInput]
) -> tuple[dict[str, Any], bytes]:
    if job not in JOBS:
        raise ValueError(f"no such job: {job}")
    if len(payload) > limits.input_bytes:
        raise PayloadTooLarge(f"The file is larger than {limits.input_bytes // _MIB} MiB.")
    request = pack(
        {"job": job, "wall_s": limits.wall_s, "cpu_s": limits.cpu_s, "memory_bytes": limits.memory_bytes},
        payload,
    )
    limit_bytes = limits.output_bytes + HEADER_LIMIT_BYTES + LENGTH.size
    process: Process | None = None
    try:
        with anyio.fail_after(limits.wall_s):
            process = await _start()
            assert process.stdin is not None
            assert process.stdout is not None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_send, process.stdin, request)
                answer = await _receive(process, limit_bytes)
                tasks.cancel_scope.cancel()
            too_large = len(answer) > limit_bytes
            status = 0 if too_large else await process.wait()
    except TimeoutError as error:
        raise DeadlineExceeded(f"Reading the file took longer than {limits.wall_s:g} s.") from error
    finally:
        if process is not None:
            with anyio.CancelScope(shield=True):
                await _end(process)
    if too_large:
        raise PayloadTooLarge(f"The file expands to more than {limits.output_bytes // _MIB} MiB.")
    if status == -signal.SIGXCPU:
        raise DeadlineExceeded(f"Reading the file took more than {limits.cpu_s} s of computing.")
    return _open_answer(answer, limits, unreadable)


async def _start() -> Process:
    try:
        return await anyio.open_process(
            [sys.executable, "-I", "-B", "-X", "utf8", "-c", _BOOT, str(_PACKAGE_PARENT)],
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            cwd="/",
            # One thread: each worker has one core's worth of work, and native pools map memory per thread.
            env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
    except OSError as error:
        raise StorageUnavailable(
            "The system cannot start a worker process to read the file.", retryable=True
        ) from error


async def _send(stdin: ByteSendStream, request: bytes) -> None:
    # A worker that dies or answers early stops reading; its answer or exit status tells why.
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await stdin.send(request)
        await stdin.aclose()


async def _receive(process: Process, limit_bytes: int) -> bytes:
    assert process.stdout is not None
    answer = bytearray()
    async for chunk in process.stdout:
        answer += chunk
        if len(answer) > limit_bytes:
            break
    return bytes(answer)


async def _end(process: Process) -> None:
    """Kill the worker and everything it started, and collect it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.aclose()


def _open_answer(
    answer: bytes, limits: WorkerLimits, unreadable: Callable[[], UnreadableInput]
) -> tuple[dict[str, Any], bytes]:
    try:
        (length,) = LENGTH.unpack_from(answer)
        if length > HEADER_LIMIT_BYTES:
            raise unreadable()
        header = json.loads(answer[LENGTH.size : LENGTH.size + length])
        payload = answer[LENGTH.size + length :]
        complete = header["payload_bytes"] == len(payload)
        outcome = header["outcome"]
    except (ValueError, KeyError, TypeError, RecursionError, struct.error) as error:
        raise unreadable() from error
    if not complete:
        raise unreadable()
    if outcome == "out_of_memory":
        raise PayloadTooLarge(
            f"Opening the file needs more than {limits.memory_bytes // _MIB} MiB of memory."
        )
    if outcome == "refused":
        kind = _REFUSALS.get(str(header.get("code")))
        raise unreadable() if kind is None else kind(_clean(str(header.get("message", ""))))
    if outcome != "done":
        raise unreadable()
    return header, payload


def _clean(message: str) -> str:
    return "".join(character for character in message if character.isprintable())[:_MESSAGE_LIMIT_CHARACTERS]
