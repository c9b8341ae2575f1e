"""An open voice socket whose right to be open is withdrawn."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from tests.server.people import Platform
from tests.server.voice_client import voice_client

LIMIT_S = 1.0


async def seconds_until_withdrawn(
    platform: Platform,
    credential: str,
    withdraw: Callable[[], Awaitable[object]],
    *,
    origin: str | None = None,
) -> float:
    """How long an open socket outlived `withdraw`; it is told why, and cannot be opened again."""
    url, start = f"{platform.sockets}/ws/voice/continuous", {"type": "start", "key": credential}
    async with voice_client(url, start, origin=origin) as client:
        await client.until("ready")
        await withdraw()
        withdrawn_s = time.monotonic()
        assert await client.until_closed() == 4401
        took_s = time.monotonic() - withdrawn_s
        assert client.all("error")[-1]["code"] == "access_withdrawn"
    async with voice_client(url, start, origin=origin) as again:
        assert await again.until_closed() in (4401, 4403)
    return took_s
