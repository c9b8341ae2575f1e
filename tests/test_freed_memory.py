"""Memory that is free inside the process goes back to the system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from aura_local.freed_memory import give_memory_back

PAGE_BYTES = 4096
BLOCKS = 20_000


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def test_freed_memory_is_returned() -> None:
    # Small blocks lie in the heap; the last one, still in use, keeps its top from shrinking by itself.
    blocks = [bytes(3000) for _ in range(BLOCKS)]
    last = bytes(3000)
    filled = resident_mb()
    del blocks
    give_memory_back()
    assert resident_mb() < filled - 40
    assert len(last) == 3000


IN_A_THREAD = """
import ctypes, sys, threading
from pathlib import Path
from aura_local.freed_memory import bound_free_memory

if sys.argv[1] == "bounded":
    bound_free_memory()
library = ctypes.CDLL("libc.so.6")
library.malloc.restype = ctypes.c_void_p
done, leave = threading.Event(), threading.Event()

def work():
    for _ in range(2):  # glibc raises its bounds with the first block that is freed
        block = ctypes.c_void_p(library.malloc(ctypes.c_size_t(30 << 20)))
        ctypes.memset(block, 1, 30 << 20)
        library.free(block)
    done.set()
    leave.wait()

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

before = resident()
thread = threading.Thread(target=work)
thread.start()
done.wait()
print(resident() - before)
leave.set()
"""


def growth_mb(how: str) -> float:
    run = subprocess.run(
        [sys.executable, "-c", IN_A_THREAD, how], capture_output=True, text=True, check=True, timeout=60
    )
    return float(run.stdout)


def test_a_thread_keeps_little_of_what_it_has_freed() -> None:
    assert growth_mb("as it is") > 20  # else there would be nothing to bound
    assert growth_mb("bounded") < 10
