"""`aura talk`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.options import HomeOption, ProfileOption, TenantOption
from aura_local.commands.output import print_json, print_table
from aura_local.commands.panels import CONVERSING
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    application.command("talk", rich_help_panel=CONVERSING)(talk)


def talk(
    tenant: TenantOption = None,
    microphone: Annotated[
        str | None, typer.Option("--microphone", help="Number of the input device, or part of its name.")
    ] = None,
    loudspeaker: Annotated[
        str | None, typer.Option("--loudspeaker", help="Number of the output device, or part of its name.")
    ] = None,
    headphones: Annotated[
        bool,
        typer.Option(
            "--headphones",
            help="Take the microphone as it is. Without headphones AURA's own voice is taken out of it, or, "
            "where no echo canceller is installed, AURA does not listen while it speaks.",
        ),
    ] = False,
    language: Annotated[str | None, typer.Option("--language", help="ISO 639-1, e.g. `en`.")] = None,
    voice: Annotated[str | None, typer.Option("--voice", help="A voice of the chosen engine.")] = None,
    push_to_talk: Annotated[
        bool,
        typer.Option("--push-to-talk", help="Listen only between one press of Enter and the next."),
    ] = False,
    wake_phrase: Annotated[
        str | None,
        typer.Option(
            "--wake-phrase",
            help="Answer only what begins with these words, e.g. `hello aura`, or follows an answer closely.",
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", help="Talk with a running server, e.g. `https://aura.example:8765`."),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", help="File with the server's API key; else AURA_KEY, else you are asked."),
    ] = None,
    level: Annotated[
        bool, typer.Option("--level", help="Show how loud the microphone is, instead of talking.")
    ] = False,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="List microphones and loudspeakers, then stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --list-devices: print JSON.")] = False,
    profile: ProfileOption = None,
    home: HomeOption = None,
) -> None:
    """Talk with a tenant's documents through this machine's microphone and loudspeaker.

    Control-C ends the conversation.
    """
    if as_json and not list_devices:
        raise typer.BadParameter("--json goes with --list-devices")
    _check_wake_phrase(wake_phrase, push_to_talk=push_to_talk, server=server)
    _check_server(server, key_file=key_file, tenant=tenant)

    async def show_devices(_loaded: LoadedSettings) -> None:
        _list_devices(as_json=as_json)

    async def measure(_loaded: LoadedSettings) -> None:
        from aura_local.commands.level_meter import show_level
        from aura_local.desktop_audio import open_devices
        from aura_local.desktop_devices import DeviceChoice

        async with open_devices(DeviceChoice(microphone, loudspeaker), _tell) as devices:
            await show_level(devices.microphone)

    async def remote(_loaded: LoadedSettings) -> None:
        from aura_local.commands.talk_remotely import talk_remotely
        from aura_local.desktop_devices import DeviceChoice

        await talk_remotely(
            str(server),
            key_file,
            DeviceChoice(microphone, loudspeaker),
            headphones=headphones,
            push_to_talk=push_to_talk,
            language=language,
            voice=voice,
        )

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.commands.talk_here import talk_here
        from aura_local.desktop_devices import DeviceChoice

        await talk_here(
            loaded,
            tenant,
            DeviceChoice(microphone, loudspeaker),
            headphones=headphones,
            push_to_talk=push_to_talk,
            wake_phrase=wake_phrase,
            language=language,
            voice=voice,
        )

    talking = work if server is None else remote
    chosen = show_devices if list_devices else measure if level else talking
    run_command(chosen, home=home, profile=profile, as_json=as_json)


def _check_wake_phrase(wake_phrase: str | None, *, push_to_talk: bool, server: str | None) -> None:
    if wake_phrase is not None and push_to_talk:
        raise typer.BadParameter("--wake-phrase and --push-to-talk exclude each other")
    if wake_phrase is not None and server is not None:
        raise typer.BadParameter("--wake-phrase needs the engines of this machine, not those of --server")


def _check_server(server: str | None, *, key_file: Path | None, tenant: str | None) -> None:
    if server is None and key_file is not None:
        raise typer.BadParameter("--key-file goes with --server")
    if server is not None and tenant is not None:
        raise typer.BadParameter("--tenant does not go with --server: its key belongs to one tenant")


def _tell(message: str) -> None:
    typer.echo(message, err=True)


def _list_devices(*, as_json: bool) -> None:
    from dataclasses import asdict

    from aura_local.desktop_devices import audio_devices

    devices = audio_devices()
    if as_json:
        print_json({"devices": [asdict(device) for device in devices]})
        return
    print_table(
        ("number", "name", "records", "plays", "rate"),
        [
            (
                device.index,
                device.name,
                _use(device.input_channels, device.default_input),
                _use(device.output_channels, device.default_output),
                f"{device.default_rate_hz} Hz",
            )
            for device in devices
        ],
    )
    if not devices:
        print("No audio device was found.")


def _use(channels: int, default: bool) -> str:
    if not channels:
        return "no"
    return "yes, default" if default else "yes"
