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
        int | None, typer.Option("--microphone", help="Number of the input device.")
    ] = None,
    loudspeaker: Annotated[
        int | None, typer.Option("--loudspeaker", help="Number of the output device.")
    ] = None,
    headphones: Annotated[
        bool,
        typer.Option(
            "--headphones",
            help="Keep listening while AURA speaks, so that you can interrupt. Without headphones it "
            "would hear itself: there is no echo cancellation.",
        ),
    ] = False,
    language: Annotated[str | None, typer.Option("--language", help="ISO 639-1, e.g. `en`.")] = None,
    voice: Annotated[str | None, typer.Option("--voice", help="A voice of the chosen engine.")] = None,
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

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.commands.engines import wait_for_engines
        from aura_local.commands.opening import open_engine
        from aura_local.commands.tenants import find_tenant
        from aura_local.commands.transcript import TranscriptPrinter
        from aura_local.desktop import converse
        from aura_local.desktop_audio import open_loudspeaker, open_microphone
        from aura_local.engine_choice import JOBS

        opening = open_engine(loaded)  # asks for the passphrase here, where there is one
        # The devices first: what is wrong with them is told before the models load.
        with open_loudspeaker(loudspeaker) as speaker:
            async with open_microphone(microphone) as recorded, opening as engine:
                owner = await find_tenant(engine.catalog, tenant)
                await wait_for_engines(engine, *JOBS)
                printer = TranscriptPrinter()
                printer.welcome(owner.name, engine.status(), headphones=headphones)
                async with engine.leases.lease(owner.id) as handle:
                    await converse(
                        engine,
                        handle,
                        microphone=recorded,
                        loudspeaker=speaker,
                        notify=printer.notify,
                        language=language,
                        voice=voice,
                        headphones=headphones,
                    )

    run_command(show_devices if list_devices else work, home=home, profile=profile, as_json=as_json)


def _list_devices(*, as_json: bool) -> None:
    from dataclasses import asdict

    from aura_local.desktop_audio import audio_devices

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
