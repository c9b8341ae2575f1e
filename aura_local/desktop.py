"""Desktop microphone mode: a conversation through this machine's own microphone and loudspeaker. Layer 5."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Protocol

import anyio

from aura_local.accounts.principal import operator
from aura_local.desktop_ears import AudibleSink, Ear
from aura_local.ports import Samples

if TYPE_CHECKING:
    from aura_local.conversation.spoken_reply import Notify
    from aura_local.conversation.wake_phrase import WakePhrase
    from aura_local.engine import Engine
    from aura_local.storage.leases import TenantHandle


class Listener(Protocol):
    """What of a voice session the microphone needs."""

    async def push(self, samples: Samples) -> None: ...

    async def finish(self) -> None: ...


async def converse(
    engine: Engine,
    handle: TenantHandle,
    *,
    microphone: AsyncIterable[Samples],
    loudspeaker: AudibleSink,
    ear: Ear,
    notify: Notify,
    language: str | None = None,
    voice: str | None = None,
    wake: WakePhrase | None = None,
) -> None:
    """Hold a conversation until the microphone ends and the last reply is over, or until cancelled.

    `microphone` yields samples at 16 kHz, `ear` says what is heard of them, `wake` what of that is answered.
    Raises what the devices and the detector raise; a failed turn is an event.
    """
    session = await engine.voice_session(
        handle,
        asker=operator(handle.id),
        sink=loudspeaker,
        notify=notify,
        language=language,
        voice=voice,
        wake=wake,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, session, microphone, ear)
        await session.run()
        tasks.cancel_scope.cancel()


async def listen(session: Listener, microphone: AsyncIterable[Samples], ear: Ear) -> None:
    """Hand what the ear hears of the microphone to the session, until the microphone ends."""
    async for samples in microphone:
        await session.push(ear(samples))
    await session.finish()
