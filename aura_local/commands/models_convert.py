"""`aura models convert`: a transformers folder becomes an installed model for CTranslate2."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio.to_thread
import typer

from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import print_json, progress_console
from aura_local.commands.running import run_command
from aura_local.errors import InvalidRequest

if TYPE_CHECKING:
    from aura_local.catalogue.conversion_source import ConversionSource
    from aura_local.catalogue.manifest import ModelEntry
    from aura_local.settings_sources import LoadedSettings

_ACFT = "acft"


def convert(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="A Whisper of transformers, or a BERT of sentence-transformers."
        ),
    ],
    name: Annotated[str | None, typer.Option("--name", help="Its name here; left out, the folder's.")] = None,
    quantization: Annotated[
        str, typer.Option("--quantization", help="How weights are kept: int8, float16, float32, ...")
    ] = "int8",
    dynamic_window: Annotated[
        bool,
        typer.Option(
            "--dynamic-window", help="The encoder was trained for windows of any length (FUTO's ACFT)."
        ),
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Convert a Whisper or an embedder for CTranslate2 and install it.

    Needs the extra `torch`, and no network.
    """

    async def work(loaded: LoadedSettings) -> None:
        await convert_model(
            loaded, folder, name, quantization, dynamic_window=dynamic_window, as_json=as_json
        )

    run_command(work, home=home, as_json=as_json)


async def convert_model(
    loaded: LoadedSettings,
    folder: Path,
    name: str | None,
    quantization: str,
    *,
    dynamic_window: bool,
    as_json: bool,
) -> None:
    """Look through the folder, convert it in another process, and bring the result."""
    from aura_local.catalogue.conversion import QUANTIZATIONS, convert, refuse_without_packages
    from aura_local.catalogue.conversion_source import read_source
    from aura_local.catalogue.conversion_workplace import workplace
    from aura_local.catalogue.importing import plain_name
    from aura_local.catalogue.known_models import models_folder_of

    if quantization not in QUANTIZATIONS:
        raise InvalidRequest(f"--quantization is one of {', '.join(QUANTIZATIONS)}.")
    source = await anyio.to_thread.run_sync(read_source, folder)
    if dynamic_window and source.kind != "whisper":
        raise InvalidRequest("--dynamic-window is for Whisper alone.")
    refuse_without_packages()
    named = await anyio.to_thread.run_sync(lambda: folder.resolve().name)
    title = plain_name(named, source.kind) if name is None else name
    await anyio.to_thread.run_sync(_refuse_without_room, loaded, source)
    with ExitStack() as stack:
        place = await anyio.to_thread.run_sync(
            stack.enter_context, workplace(models_folder_of(loaded.values.home))
        )
        with progress_console().status("starting") as status:
            converted = await convert(source, place, quantization=quantization, progress=status.update)
            status.update("installing")
            entry = await anyio.to_thread.run_sync(_install, loaded, source, converted, title, dynamic_window)
    if as_json:
        print_json(
            {
                "name": entry.name,
                "job": entry.job,
                "engine": entry.engine,
                "size_bytes": entry.size_bytes,
                "dynamic_window": entry.dynamic_window,
                "licence": entry.licence,
            }
        )
        return
    print(f"{entry.name}: {entry.description}. Use it with: aura models use {entry.name}")
    if entry.job == "speech_to_text" and not dynamic_window and _ACFT in named.lower():
        # A name proves nothing, and a stock model with a fitted window writes nonsense: so a person decides.
        typer.echo("If this is one of FUTO's ACFT models, convert it with --dynamic-window.", err=True)
    if entry.job == "embedder":
        typer.echo("Documents keep their vectors: once it is chosen, aura reindex --read --all.", err=True)
    typer.echo("Its licence is not known: look whether its terms allow what you do.", err=True)


def _refuse_without_room(loaded: LoadedSettings, source: ConversionSource) -> None:
    """The result lies there twice for a moment, and is at most as large as weights of four bytes each."""
    from aura_local.catalogue.known_models import models_folder_of
    from aura_local.catalogue.models_folder import ModelsFolder
    from aura_local.catalogue.pull_plan import free_bytes, refuse_without_room

    folder = ModelsFolder(models_folder_of(loaded.values.home))
    needed_bytes = 2 * source.weights.stat().st_size
    refuse_without_room(needed_bytes, folder, loaded.values.limits.disk_reserve_bytes, free_bytes)


def _install(
    loaded: LoadedSettings, source: ConversionSource, converted: Path, title: str, dynamic_window: bool
) -> ModelEntry:
    from aura_local.catalogue.importing import bring
    from aura_local.catalogue.known_models import known_models, models_folder_of
    from aura_local.catalogue.models_folder import ModelsFolder

    kind = "A Whisper model" if source.kind == "whisper" else "An embedder"
    flag = " --dynamic-window" if dynamic_window else ""
    return bring(
        converted,
        ModelsFolder(models_folder_of(loaded.values.home)),
        name=title,
        taken={entry.name for entry in known_models(loaded.values.home)},
        reserve_bytes=loaded.values.limits.disk_reserve_bytes,
        facts={
            "description": f"{kind} that was converted here",
            "get": f"aura models convert FOLDER --name {title}{flag}",
            "dynamic_window": dynamic_window,
        },
    )
