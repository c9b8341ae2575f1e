"""Under which conditions figures were measured: without them a figure means nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from typing import Any

from aura_local import __version__
from aura_local.engine_room import EngineStatus


def conditions(engines: Iterable[EngineStatus]) -> dict[str, Any]:
    """Cores, processor, load and models, for the `conditions` of a report."""
    return {
        "version": __version__,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "models": {status.job: status.model for status in engines},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
