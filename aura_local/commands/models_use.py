"""`aura models use`: tells the server that runs on the data folder, and writes the choice down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
import typer

from aura_local.commands.output import print_json, progress_console
from aura_local.errors import AuraError

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings


async def choose_model(loaded: LoadedSettings, name: str, *, as_json: bool) -> None:
    """Nothing is written for a model that the running server could not load.

    What it could after a restart alone is written, and said. Raises what keeps the model from its job.
    """
    from aura_local.catalogue.known_models import known_store
    from aura_local.catalogue.suitability import refuse_useless
    from aura_local.control_socket import ask_server
    from aura_local.engine_room import NEEDS_RESTART
    from aura_local.model_use import goes_before_the_file, keep_choice

    store = await anyio.to_thread.run_sync(known_store, loaded.values.home)
    entry = store.entry(name)
    await anyio.to_thread.run_sync(refuse_useless, store, entry, loaded.values.voice.language)
    running, remark = "no server runs", ""
    try:
        with progress_console().status("Asking the server that runs here"):
            answer = await ask_server(loaded.values.home, {"use_model": name})
    except AuraError as error:
        if error.code != NEEDS_RESTART:
            raise
        running, remark = "needs a restart", error.message
    else:
        if answer is not None:
            running, remark = "uses it", answer["note"]
    path = await anyio.to_thread.run_sync(keep_choice, loaded, entry)
    if as_json:
        setting = {"setting": f"engines.{entry.job}", "value": name, "file": str(path)}
        print_json(setting | {"server": running})
    else:
        print(f'engines.{entry.job} = "{name}" is in {path}.')
        if running == "uses it":
            print(f"The running server uses {name} from the next turn of every conversation on.")
    for line in {remark, goes_before_the_file(loaded, entry)} - {""}:
        typer.echo(line, err=True)
