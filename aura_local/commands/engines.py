"""Waits for the engines that a command needs; what is wrong with the others does not matter to it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio.to_thread

from aura_local.commands.output import progress_console
from aura_local.errors import AuraError, EngineUnavailable, ModelMissing

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_local.engine_choice import Job
    from aura_local.engine_room import EngineRoom
    from aura_local.settings_sources import LoadedSettings


async def wait_for_engines(engine: Engine, *jobs: Job) -> None:
    """Return once the engines for `jobs` are loaded. Raises what kept the first of them from it."""
    with progress_console().status("Loading the engines"), contextlib.suppress(AuraError):
        await engine.ready()
    for status in engine.status():
        if status.job in jobs and status.state != "loaded":
            kind = ModelMissing if status.state == "missing" else EngineUnavailable
            raise kind(status.message)


async def engine_room_of(loaded: LoadedSettings) -> EngineRoom:
    """The engine room of these settings, nothing loaded yet."""
    from aura_local.catalogue.known_models import known_store
    from aura_local.engine_room import EngineRoom

    settings = loaded.values
    return EngineRoom(settings, await anyio.to_thread.run_sync(known_store, settings.home))


@contextlib.asynccontextmanager
async def open_engine_room(loaded: LoadedSettings) -> AsyncIterator[EngineRoom]:
    """Engines without a data folder, loading over: each is there or says why not."""
    room = await engine_room_of(loaded)
    try:
        with progress_console().status("Loading the engines"):
            await room.load()
        yield room
    finally:
        await room.close()
