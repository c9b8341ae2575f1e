"""What a machine has, read from made trees of /proc and /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.machine import (
    Gpu,
    available_memory_bytes,
    measure_machine,
    memory_bytes,
    nvidia_gpus,
    usable_cores,
)

MIB = 1024**2


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


UNIFIED = {
    "proc/self/cgroup": "0::/shop/aura.service",
    "proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 4096 kB",
    "sys/fs/cgroup/shop/cpu.max": "150000 100000",
    "sys/fs/cgroup/shop/aura.service/cpu.max": "max 100000",
    "sys/fs/cgroup/shop/memory.max": "max",
    "sys/fs/cgroup/shop/aura.service/memory.max": str(3 * MIB),
    "sys/fs/cgroup/shop/aura.service/memory.current": str(2 * MIB),
    "sys/fs/cgroup/shop/aura.service/memory.stat": f"anon 1\ninactive_file {MIB}",
}
SEPARATE = {
    "proc/self/cgroup": "4:memory:/aura\n2:cpu,cpuacct:/aura\n0::/",
    "sys/fs/cgroup/cpu/aura/cpu.cfs_quota_us": "100000",
    "sys/fs/cgroup/cpu/aura/cpu.cfs_period_us": "100000",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
    "sys/fs/cgroup/memory/aura/memory.limit_in_bytes": str(5 * MIB),
    "sys/fs/cgroup/memory/aura/memory.usage_in_bytes": str(4 * MIB),
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
}


@pytest.mark.parametrize(
    ("files", "cores", "memory", "available"),
    [
        pytest.param(UNIFIED, 1, 3 * MIB, 2 * MIB, id="unified groups"),
        pytest.param(SEPARATE, 1, 5 * MIB, MIB, id="separate groups"),
        pytest.param(UNIFIED | {"proc/meminfo": "MemAvailable: 1 kB"}, 1, 3 * MIB, 1024, id="full machine"),
        pytest.param({"proc/self/cgroup": "0::/of/the/host"} | {
            "sys/fs/cgroup/memory.max": str(7 * MIB), "sys/fs/cgroup/memory.current": "0",
            "sys/fs/cgroup/cpu.max": "100000 100000",
        }, 1, 7 * MIB, 7 * MIB, id="container"),
    ],
)  # fmt: skip
def test_the_limits_of_control_groups_count(
    tmp_path: Path, files: dict[str, str], cores: int, memory: int, available: int
) -> None:
    root = tree(tmp_path, files)
    assert usable_cores(root) == cores
    assert memory_bytes(root) == memory
    assert available_memory_bytes(root) == available


def test_without_limits_it_is_the_machine_and_what_is_not_told_is_not_guessed(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) >= 1
    assert memory_bytes(tmp_path) > 100 * MIB
    assert available_memory_bytes(tmp_path) is None


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("echo 'NVIDIA H100 80GB HBM3, 81559'", (Gpu("NVIDIA H100 80GB HBM3", 81559 * MIB),)),
        ("echo 'A, 8192'; echo 'B, 4096'", (Gpu("A", 8192 * MIB), Gpu("B", 4096 * MIB))),
        ("echo 'Card, [N/A]'", ()),
        ("echo 'NVIDIA-SMI has failed'; exit 9", ()),
    ],
)
def test_gpus_are_those_that_the_driver_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, gpus: tuple[Gpu, ...]
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_gpus() == gpus


def test_without_a_driver_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_gpus() == ()


def test_a_data_folder_that_is_not_there_yet_has_a_disk(tmp_path: Path) -> None:
    assert measure_machine(tmp_path / "not" / "yet").disk_free_bytes > 0
