"""Enter opens and closes the microphone of `aura talk --push-to-talk`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from aura_local.desktop_ears import PushToTalk


async def follow_keys(ear: PushToTalk, keyboard: int | None = None) -> None:
    """Toggle with every line until the keyboard's end; `keyboard` is a descriptor, by default stdin's."""
    descriptor = sys.stdin.fileno() if keyboard is None else keyboard
    while True:
        await anyio.wait_readable(descriptor)
        keys = os.read(descriptor, 1024)  # no more than is there: it does not wait
        if not keys:
            return
        for _ in range(keys.count(b"\n")):
            open_now = ear.toggle()
            print("[listening; Enter when you are done]" if open_now else "[thinking]", flush=True)
