"""Worker processes: what they return, what stops them, and that none is left behind."""

from __future__ import annotations

import contextlib
import gc
import os
import struct
import sys
from pathlib import Path

import anyio
import pytest

from aura_local import isolation, isolation_worker
from aura_local.errors import (
    AudioUnreadable,
    DeadlineExceeded,
    DocumentUnreadable,
    PayloadTooLarge,
    UnreadableInput,
    UnsupportedMedia,
)
from aura_local.isolation import WorkerLimits, run_isolated, sandbox_level


def unreadable() -> UnreadableInput:
    return UnreadableInput("the worker failed")


# A stand-in for a parser that a hostile file has taken over: the payload names what it does.
HOSTILE_JOBS = """
import os, signal, socket, subprocess, sys, time
from aura_local.errors import DocumentUnreadable, EngineUnavailable

def act(payload):
    what = payload.decode()
    if what == "echo": return b"x" * 1000
    if what == "environment": return "|".join(sorted(os.environ)).encode()
    if what == "hang": time.sleep(600)
    if what == "spin":
        while True: pass
    if what == "memory": return bytes(900 * 1024 * 1024)[:1]
    if what == "large": return b"x" * 5_000_000
    if what == "crash": os.kill(os.getpid(), signal.SIGSEGV)
    if what == "garbage": os.write(1, b"junk"); raise ValueError
    if what == "print": print("noise"); sys.stdout.flush(); return b"quiet"
    if what == "refuse": raise DocumentUnreadable("no\\x1b[2J good" + "!" * 5000)
    if what == "foreign": raise EngineUnavailable("not for a worker to say")
    if what == "write":
        try:
            with open(__file__ + ".out", "wb") as file: file.write(b"data"); file.flush()
        except OSError: return b"denied"
        return b"written"
    if what == "connect":
        try: socket.create_connection(("127.0.0.1", 9), timeout=1)
        except ConnectionRefusedError: return b"reached"
        except OSError: return b"unreachable"
    if what == "child":
        child = subprocess.Popen(["sleep", "600"]); time.sleep(600)
    return what.encode()
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the job `hostile` known to the parent and, through a start script, to its workers."""
    (tmp_path / "hostile_jobs.py").write_text(HOSTILE_JOBS)
    boot = (
        f"import sys, os; sys.path.append(sys.argv[1]); sys.path.append({str(tmp_path)!r});"
        "from aura_local import isolation_worker as worker;"
        "worker.JOBS['hostile'] = 'hostile_jobs:act'; "
        f"open({str(tmp_path / 'pids')!r}, 'a').write(str(os.getpid()) + '\\n');"
        "worker.main()"
    )
    monkeypatch.setattr(isolation, "_BOOT", boot)
    monkeypatch.setitem(isolation_worker.JOBS, "hostile", "hostile_jobs:act")
    return tmp_path


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def workers_started(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().split()]


async def ask(what: str, limits: WorkerLimits | None = None) -> bytes:
    return await run_isolated(
        "hostile", what.encode(), limits=limits or WorkerLimits(), unreadable=unreadable
    )


@pytest.mark.anyio
async def test_returns_what_the_job_returns_and_leaves_no_process(hostile: Path) -> None:
    assert await ask("echo") == b"x" * 1000
    assert not any(map(alive, workers_started(hostile)))


@pytest.mark.anyio
async def test_the_environment_is_empty(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURA_MASTER_KEY_FILE", "/secret")
    names = set((await ask("environment")).decode().split("|"))
    assert names <= {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "LC_CTYPE"}


@pytest.mark.anyio
async def test_a_hanging_worker_meets_its_deadline(hostile: Path) -> None:
    with pytest.raises(DeadlineExceeded, match=r"longer than 0\.5 s"):
        await ask("hang", WorkerLimits(wall_s=0.5))
    assert not any(map(alive, workers_started(hostile)))


@pytest.mark.anyio
async def test_a_spinning_worker_runs_out_of_computing_time(hostile: Path) -> None:
    with pytest.raises(DeadlineExceeded, match="computing"):
        await ask("spin", WorkerLimits(wall_s=30, cpu_s=1))


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["memory", "large"])
async def test_memory_and_output_are_capped(hostile: Path, what: str) -> None:
    with pytest.raises(PayloadTooLarge, match="MiB"):
        await ask(what, WorkerLimits(output_bytes=1024 * 1024))
    assert not any(map(alive, workers_started(hostile)))


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["crash", "garbage", "foreign"])
async def test_a_crash_or_nonsense_is_the_error_the_caller_chose(hostile: Path, what: str) -> None:
    with pytest.raises(UnreadableInput, match="the worker failed"):
        await ask(what)


@pytest.mark.anyio
async def test_a_failure_does_not_hold_the_file(hostile: Path) -> None:
    """An error and a frame that hold each other would keep it until the garbage collector comes."""

    gc.disable()
    try:
        file = b"crash"
        before = sys.getrefcount(file)
        with contextlib.suppress(UnreadableInput):
            await run_isolated("hostile", file, limits=WorkerLimits(), unreadable=unreadable)
        assert sys.getrefcount(file) == before
    finally:
        gc.enable()


@pytest.mark.anyio
async def test_a_refusal_keeps_its_kind_and_its_message_is_cleaned(hostile: Path) -> None:
    with pytest.raises(DocumentUnreadable) as caught:
        await ask("refuse")
    assert caught.value.message.startswith("no[2J good!")
    assert len(caught.value.message) <= 300


@pytest.mark.anyio
async def test_what_a_library_prints_does_not_disturb_the_answer(hostile: Path) -> None:
    assert await ask("print") == b"quiet"


@pytest.mark.anyio
async def test_a_worker_cannot_write_files(hostile: Path) -> None:
    assert await ask("write") == b"denied"


@pytest.mark.anyio
async def test_the_sandbox_level_is_true(hostile: Path) -> None:
    level = await sandbox_level()
    assert level.memory_limited is (sys.platform == "linux")
    assert await ask("connect") == (b"unreachable" if level.network_cut else b"reached")


def running_in_group(group: int) -> int:
    """Processes of a group that still run; a killed one may stay listed until its new parent looks at it."""
    running = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            running += int(its_group) == group and state != "Z"
    return running


@pytest.mark.anyio
@pytest.mark.parametrize("processes", [1, 2])
async def test_cancelling_kills_the_worker_and_its_children(hostile: Path, processes: int) -> None:
    if processes == 2 and os.geteuid() != 0:
        processes = 1  # for all but the superuser a worker cannot start a process at all
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "child" if processes == 2 else "hang")
            while not (hostile / "pids").exists() or not workers_started(hostile):  # noqa: ASYNC110
                await anyio.sleep(0.01)
            (worker,) = workers_started(hostile)
            while running_in_group(worker) < processes:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        assert not alive(worker)
        while running_in_group(worker):  # noqa: ASYNC110
            await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_eight_workers_at_once_leave_no_descriptor_behind(hostile: Path) -> None:
    await ask("echo")
    before = len(os.listdir("/dev/fd"))
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(ask, "echo")
    assert len(os.listdir("/dev/fd")) == before
    assert not any(map(alive, workers_started(hostile)))


@pytest.mark.anyio
async def test_an_unknown_job_and_an_oversized_input_start_no_process(hostile: Path) -> None:
    with pytest.raises(ValueError, match="no such job"):
        await run_isolated("os.system", b"", limits=WorkerLimits(), unreadable=unreadable)
    with pytest.raises(PayloadTooLarge):
        await ask("echo" * 1000, WorkerLimits(input_bytes=100))
    assert not (hostile / "pids").exists()


@pytest.mark.anyio
async def test_answers_that_are_not_messages_are_refused() -> None:
    limits = WorkerLimits()
    for answer in (
        b"",
        b"\x00",
        struct.pack(">I", 10**9) + b"{}",
        struct.pack(">I", 2) + b"[]",
        isolation_worker.pack({"outcome": "done"}, b"abc")[:-1],
        isolation_worker.pack({"outcome": "unheard of"}, b""),
        struct.pack(">I", 4000) + b"[" * 4000,
    ):
        with pytest.raises(UnreadableInput):
            isolation._open_answer(answer, limits, unreadable)


def test_every_job_exists_and_refusals_are_only_about_the_file() -> None:
    for job in isolation_worker.JOBS:
        assert callable(isolation_worker._find(job))
    assert set(isolation._REFUSALS.values()) == {
        UnsupportedMedia,
        DocumentUnreadable,
        AudioUnreadable,
        PayloadTooLarge,
    }
