"""Desktop microphone mode: a conversation through this machine's own microphone and loudspeaker. Layer 5.

There is no echo cancellation, so the conversation is half duplex unless the listener wears headphones:
while the loudspeaker is audible the session hears silence in place of the microphone. Silence, not
nothing: the session counts time in samples.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import numpy as np

from aura_local.accounts.principal import operator
from aura_local.ports import AudioSink, Samples

if TYPE_CHECKING:
    from aura_local.conversation.spoken_reply import Notify
    from aura_local.engine import Engine
    from aura_local.storage.leases import TenantHandle

ECHO_TAIL_S: Final = 0.3
"""How long a room still rings after the loudspeaker has stopped."""


class Listener(Protocol):
    """What of a voice session the microphone needs."""

    async def push(self, samples: Samples) -> None: ...

    async def finish(self) -> None: ...


class AudibleSink(AudioSink, Protocol):
    """A sink that knows when it was last heard."""

    def quiet_for_s(self) -> float:
        """Seconds since the last sample of speech was audible; 0 while there is more to play."""
        ...


async def converse(
    engine: Engine,
    handle: TenantHandle,
    *,
    microphone: AsyncIterable[Samples],
    loudspeaker: AudibleSink,
    notify: Notify,
    language: str | None = None,
    voice: str | None = None,
    headphones: bool = False,
) -> None:
    """Hold a conversation until the microphone ends and the last reply is over, or until cancelled.

    `microphone` yields samples at 16 kHz. With `headphones` it stays open while AURA speaks, so that one
    can interrupt. Raises what the devices and the detector raise; a failed turn is an event.
    """
    session = await engine.voice_session(
        handle,
        asker=operator(handle.id),
        sink=loudspeaker,
        notify=notify,
        language=language,
        voice=voice,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, session, microphone, None if headphones else loudspeaker)
        await session.run()
        tasks.cancel_scope.cancel()


async def listen(
    session: Listener, microphone: AsyncIterable[Samples], loudspeaker: AudibleSink | None
) -> None:
    """Hand the microphone to the session, as silence while `loudspeaker` (where given) is audible."""
    async for samples in microphone:
        deaf = loudspeaker is not None and loudspeaker.quiet_for_s() < ECHO_TAIL_S
        await session.push(np.zeros_like(samples) if deaf else samples)
    await session.finish()
