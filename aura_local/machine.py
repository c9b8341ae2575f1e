"""What this machine has for models: cores, memory, disk, GPUs. Layer 0.

A container or a service may use less than the machine has: the limits of its control groups (both versions)
count, and so do the cores it is bound to. Nothing is loaded for it, torch least of all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ASK_GPU_WITHIN_S: Final = 10.0
"""A driver that has been idle takes seconds to answer."""
ROOT: Final = Path("/")

_MIB: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class MachineFacts:
    cores: int
    """That this process may use; a quota of 1.5 cores counts as 1."""
    memory_bytes: int
    """In all, or as much as this process may have of it."""
    memory_available_bytes: int | None
    """What programs could still get; None where the system does not tell."""
    disk_free_bytes: int
    """At the data folder."""
    gpus: tuple[Gpu, ...] = ()


def measure_machine(home: Path) -> MachineFacts:
    """Blocks: asks the driver of a GPU where there is one. `home` need not exist."""
    existing = next(folder for folder in (home.absolute(), *home.absolute().parents) if folder.is_dir())
    return MachineFacts(
        cores=usable_cores(),
        memory_bytes=memory_bytes(),
        memory_available_bytes=available_memory_bytes(),
        disk_free_bytes=shutil.disk_usage(existing).free,
        gpus=nvidia_gpus(),
    )


def usable_cores(root: Path = ROOT) -> int:
    """Cores that this process may use, at least 1. `root` is where /proc and /sys are found."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        cores = os.cpu_count() or 1
    quotas = [
        int(quota) // int(period)
        for quota, period in _cpu_quotas(root)
        if quota.isdecimal() and period.isdecimal() and int(period)
    ]
    return max(1, min([cores, *quotas]))


def memory_bytes(root: Path = ROOT) -> int:
    """Memory in all, or the limit of the control group where that is less."""
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([installed, *(limit for limit, _ in _memory_limits(root))])


def available_memory_bytes(root: Path = ROOT) -> int | None:
    """What programs could still get, the cache of files included; None where the system does not tell."""
    known = [max(0, limit - used) for limit, used in _memory_limits(root)]
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                known.append(int(line.split()[1]) * 1024)
    return min(known) if known else None


def nvidia_gpus() -> tuple[Gpu, ...]:
    """The GPUs that NVIDIA's driver names; none where there is no driver, or it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    command = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=ASK_GPU_WITHIN_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(_gpus_of(answer))


def _gpus_of(answer: str) -> Iterator[Gpu]:
    for line in answer.splitlines():
        name, _, megabytes = line.rpartition(",")
        if megabytes.strip().isdecimal():
            yield Gpu(name.strip(), int(megabytes) * _MIB)


def _cpu_quotas(root: Path) -> Iterator[tuple[str, str]]:
    """Quota and period in microseconds, of each group that has them."""
    for group in _groups(root, ""):
        found = _text(group / "cpu.max").split()
        if len(found) == 2:
            yield found[0], found[1]
    for group in _groups(root, "cpu"):
        yield _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")


def _memory_limits(root: Path) -> Iterator[tuple[int, int]]:
    """Limit, and what of it is used for anything but the cache of files, of each group that has a limit."""
    for controller, limit_file, used_file, cache in (
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        for group in _groups(root, controller):
            limit, used = _text(group / limit_file), _text(group / used_file)
            if limit.isdecimal() and used.isdecimal():
                statistics = dict(
                    pair
                    for line in _text(group / "memory.stat").splitlines()
                    if len(pair := line.split()) == 2
                )
                yield int(limit), max(0, int(used) - int(statistics.get(cache, 0)))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The control group of this process and those above it; "" is the unified hierarchy."""
    mounted = root / "sys/fs/cgroup" / controller
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            own = mounted / path.strip("/")
            # Inside a container the path may be that of the host; its own group is then what is mounted.
            yield from (group for group in (own, *own.parents) if group.is_relative_to(mounted))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
