"""Shows how loud the microphone is: `aura talk --level`."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Final

import numpy as np

from aura_local.ports import Samples

SILENT_DBFS: Final = -60
"""The left end of the meter."""
CLIPPED: Final = 0.99
QUIET_DBFS: Final = -45
"""Speech whose loudest sample stays below is recognised badly."""
WIDTH: Final = 40


async def show_level(microphone: AsyncIterable[Samples]) -> None:
    """Until the microphone ends, or Control-C."""
    from rich.live import Live
    from rich.text import Text

    print("Speak as you will speak to AURA. Control-C ends.")
    loudest = 0.0
    try:
        with Live(Text(""), refresh_per_second=15, transient=True) as meter:
            async for samples in microphone:
                peak = float(np.max(np.abs(samples), initial=0.0))
                loudest = max(peak, loudest)
                meter.update(Text(describe(peak)))
    finally:  # Control-C is how it ends
        print(verdict(loudest))


def describe(peak: float) -> str:
    """One line for the loudest sample of a block, in [0, 1]."""
    level_dbfs = 20 * float(np.log10(max(peak, 1e-6)))
    filled = round(WIDTH * (max(level_dbfs, SILENT_DBFS) - SILENT_DBFS) / -SILENT_DBFS)
    return f"{'█' * filled}{'·' * (WIDTH - filled)} {max(level_dbfs, -99.0):4.0f} dBFS"


def verdict(loudest: float) -> str:
    """What the loudest sample of all says about the setting."""
    if loudest >= CLIPPED:
        return "Too loud: turn the microphone down."
    if loudest < 10 ** (QUIET_DBFS / 20):
        return "Too quiet, or not the right microphone: `aura talk --list-devices` shows what there is."
    return "The level is good."
