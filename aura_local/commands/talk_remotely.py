"""`aura talk --server`: this machine's microphone and loudspeaker, another process's engines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from aura_local.desktop_devices import DeviceChoice


async def talk_remotely(
    server: str,
    key_file: Path | None,
    choice: DeviceChoice,
    *,
    headphones: bool,
    push_to_talk: bool,
    language: str | None,
    voice: str | None,
) -> None:
    """Converse until Control-C. Opens no data folder and no engine.

    Raises `ConfigurationError`, `AuthenticationFailed`, and what devices and `RemoteConversation` raise.
    """
    from anyio import create_task_group

    from aura_local.audio.echo_cancellation import open_echo_canceller
    from aura_local.commands.push_to_talk import follow_keys
    from aura_local.commands.server_key import server_key
    from aura_local.commands.transcript import TranscriptPrinter
    from aura_local.desktop_audio import open_devices
    from aura_local.desktop_ears import PushToTalk, choose_ear
    from aura_local.desktop_remote import RemoteConversation
    from aura_local.desktop_server import ServerAddress, reach
    from aura_local.egress_permits import EgressPermits

    address = ServerAddress.checked(server)
    key = server_key(key_file)
    # The permit first: it looks the server's name up, and the audio must not wait for that.
    with reach(address, EgressPermits()) as talk_server:
        async with open_devices(choice, _tell) as devices, create_task_group() as tasks:
            canceller = open_echo_canceller()
            ear = choose_ear(devices.loudspeaker, canceller, headphones=headphones)
            half_duplex = canceller is None and not headphones
            printer = TranscriptPrinter()

            def begun() -> None:
                printer.welcome(
                    f"the server at {address.host}", (), half_duplex=half_duplex, push_to_talk=push_to_talk
                )

            if push_to_talk:
                ear = PushToTalk(ear)
                tasks.start_soon(follow_keys, ear)
            conversation = RemoteConversation(
                talk_server,
                key,
                sink=devices.loudspeaker,
                notify=printer.notify,
                tell=_tell,
                begun=begun,
                language=language,
                voice=voice,
            )
            await conversation.converse(devices.microphone, ear)
            tasks.cancel_scope.cancel()


def _tell(message: str) -> None:
    typer.echo(message, err=True)
