"""`aura talk`"""

from __future__ import annotations

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

    async def show_devices(_loaded: LoadedSettings) -> None:
        _list_devices(as_json=as_json)

    async def measure(_loaded: LoadedSettings) -> None:
        from aura_local.commands.level_meter import show_level
        from aura_local.desktop_audio import open_devices
        from aura_local.desktop_devices import DeviceChoice

        async with open_devices(DeviceChoice(microphone, loudspeaker), _tell) as devices:
            await show_level(devices.microphone)

    async def work(loaded: LoadedSettings) -> None:
        from anyio import create_task_group

        from aura_local.audio.echo_cancellation import open_echo_canceller
        from aura_local.commands.engines import wait_for_engines
        from aura_local.commands.opening import open_engine
        from aura_local.commands.push_to_talk import follow_keys
        from aura_local.commands.tenants import find_tenant
        from aura_local.commands.transcript import TranscriptPrinter
        from aura_local.desktop import converse
        from aura_local.desktop_audio import open_devices
        from aura_local.desktop_devices import DeviceChoice
        from aura_local.desktop_ears import PushToTalk, choose_ear
        from aura_local.engine_choice import JOBS

        opening = open_engine(loaded)  # asks for the passphrase here, where there is one
        # The devices first: what is wrong with them is told before the models load.
        async with (
            open_devices(DeviceChoice(microphone, loudspeaker), _tell) as devices,
            opening as engine,
            create_task_group() as tasks,
        ):
            owner = await find_tenant(engine.catalog, tenant)
            await wait_for_engines(engine, *JOBS)
            canceller = open_echo_canceller()
            ear = choose_ear(devices.loudspeaker, canceller, headphones=headphones)
            half_duplex = canceller is None and not headphones
            printer = TranscriptPrinter()
            printer.welcome(owner.name, engine.status(), half_duplex=half_duplex, push_to_talk=push_to_talk)
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
                )
            tasks.cancel_scope.cancel()

    chosen = show_devices if list_devices else measure if level else work
    run_command(chosen, home=home, profile=profile, as_json=as_json)


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
