"""`aura talk` without a server: this machine's microphone, loudspeaker and engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from aura_local.desktop_devices import DeviceChoice
    from aura_local.settings_sources import LoadedSettings


async def talk_here(
    loaded: LoadedSettings,
    tenant: str | None,
    choice: DeviceChoice,
    *,
    headphones: bool,
    push_to_talk: bool,
    wake_phrase: str | None,
    language: str | None,
    voice: str | None,
) -> None:
    """Converse until Control-C.

    Raises `ConfigurationError`, `NotFound` (no such tenant), and what engines and devices raise.
    """
    from anyio import create_task_group

    from aura_local.audio.echo_cancellation import open_echo_canceller
    from aura_local.commands.engines import wait_for_engines
    from aura_local.commands.opening import open_engine
    from aura_local.commands.push_to_talk import follow_keys
    from aura_local.commands.tenants import find_tenant
    from aura_local.commands.transcript import TranscriptPrinter
    from aura_local.conversation.wake_phrase import WakePhrase
    from aura_local.desktop import converse
    from aura_local.desktop_audio import open_devices
    from aura_local.desktop_ears import PushToTalk, choose_ear
    from aura_local.engine_choice import JOBS

    wake = None if wake_phrase is None else WakePhrase(wake_phrase)
    opening = open_engine(loaded)  # asks for the passphrase here, where there is one
    # The devices first: what is wrong with them is told before the models load.
    async with (
        open_devices(choice, _tell) as devices,
        opening as engine,
        create_task_group() as tasks,
    ):
        owner = await find_tenant(engine.catalog, tenant)
        await wait_for_engines(engine, *JOBS)
        canceller = open_echo_canceller()
        ear = choose_ear(devices.loudspeaker, canceller, headphones=headphones)
        half_duplex = canceller is None and not headphones
        printer = TranscriptPrinter()
        printer.welcome(
            owner.name,
            engine.status(),
            half_duplex=half_duplex,
            push_to_talk=push_to_talk,
            wake_phrase=wake_phrase,
        )
        if push_to_talk:
            ear = PushToTalk(ear)
            tasks.start_soon(follow_keys, ear)
        async with engine.leases.lease(owner.id) as handle:
            await converse(
                engine,
                handle,
                microphone=devices.microphone,
                loudspeaker=devices.loudspeaker,
                ear=ear,
                notify=printer.notify,
                language=language,
                voice=voice,
                wake=wake,
            )
        tasks.cancel_scope.cancel()


def _tell(message: str) -> None:
    typer.echo(message, err=True)
