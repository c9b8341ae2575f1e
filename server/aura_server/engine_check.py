"""Do the engines still answer: what the service manager's watchdog hangs on. Layer 5.

A process whose event loop turns can be dead all the same: native code that hangs keeps its core and its
lane for ever, and every question runs into the queue's limit. Such a process has to be started anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from aura_local.errors import AuraError
from aura_local.ports import Caller, Priority

if TYPE_CHECKING:
    from aura_local.engine_room import Engines

HANGS_AFTER_S: Final = 300.0
"""No piece of native work takes this long: they are cut to about 100 ms, apart from the transcription of half
a minute of speech and the reading of a long prompt, which take tens of seconds on the slowest machines."""


async def engines_answer(room: Engines, *, within_s: float) -> bool:
    """Whether native work gets done: a word is embedded within `within_s`, and nothing hangs.

    The embedder is asked because it is the quickest (3 ms); its work stands in line for a core like all
    other work. An engine that was never loaded is not asked: it is missing, not hanging.
    """
    if room.longest_hold_s > HANGS_AFTER_S:
        return False
    loaded = {status.job for status in room.status if status.state == "loaded"}
    if "embedder" not in loaded:
        return True
    try:
        with anyio.fail_after(within_s):
            await room.engine("embedder").embed(["alive"], caller=Caller("", Priority.CHAT))
    except (TimeoutError, AuraError):
        return False
    return True
