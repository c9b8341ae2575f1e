"""What `aura doctor` finds out about this installation, as plain values that JSON can hold."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread
from pydantic_core import to_jsonable_python

from aura_local.commands.protection import encryption
from aura_local.confinement import confinement
from aura_local.errors import AuraError
from aura_local.machine import MachineFacts, measure_machine

if TYPE_CHECKING:
    from aura_local.catalogue.profile_advice import ProfileAdvice
    from aura_local.engine_room import EngineStatus
    from aura_local.settings_sources import LoadedSettings

MASK: Final = "********"
_SECRET: Final = re.compile(r"(^|[._])(key|token|secret|password)$")


async def diagnose(loaded: LoadedSettings) -> dict[str, Any]:
    """Everything, without creating or changing anything. Loads the engines."""
    from aura_local import __version__
    from aura_local.commands.engines import open_engine_room
    from aura_local.isolation import sandbox_level

    settings = loaded.values
    measured = await anyio.to_thread.run_sync(measure_machine, settings.home)  # before our engines take some
    async with open_engine_room(loaded) as room:
        engines = room.status
        cores = room.budget.cores
    try:
        sandbox: dict[str, Any] = asdict(await sandbox_level())
    except AuraError as error:
        sandbox = {"problem": error.message}
    return {
        "version": __version__,
        "python": platform.python_version(),
        "settings_file": None if loaded.file is None else str(loaded.file),
        "settings": settings_with_sources(loaded),
        "machine": await anyio.to_thread.run_sync(_machine, measured, cores),
        "advice": asdict(await anyio.to_thread.run_sync(_advice, loaded, measured)),
        "engines": [asdict(engine) for engine in engines],
        "sandbox": sandbox,
        "encryption": await anyio.to_thread.run_sync(encryption, settings),
        "confinement": asdict(await anyio.to_thread.run_sync(confinement)),
        "data": await anyio.to_thread.run_sync(_data_folder, settings.home),
        "audio": await anyio.to_thread.run_sync(_audio),
    }


def settings_with_sources(loaded: LoadedSettings) -> dict[str, dict[str, object]]:
    """Every setting by its dotted name; secrets are masked."""
    listed: dict[str, dict[str, object]] = {}
    for name, source in sorted(loaded.sources.items()):
        value: Any = loaded.values
        for part in name.split("."):
            value = getattr(value, part)
        shown = MASK if value and _SECRET.search(name) else to_jsonable_python(value, exclude_none=True)
        listed[name] = {"value": shown, "source": source}
    return listed


def worst_state(engines: Sequence[EngineStatus] | Sequence[dict[str, Any]]) -> str:
    """`failed`, else `missing`, else `loaded`."""
    states = {engine["state"] if isinstance(engine, dict) else engine.state for engine in engines}
    return next((state for state in ("failed", "missing") if state in states), "loaded")


def _machine(measured: MachineFacts, engine_cores: int) -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": measured.cores,
        "engine_cores": engine_cores,
        "memory_bytes": measured.memory_bytes,
        "memory_available_bytes": measured.memory_available_bytes,
        "gpus": [asdict(gpu) for gpu in measured.gpus],
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def _advice(loaded: LoadedSettings, measured: MachineFacts) -> ProfileAdvice:
    from aura_local.catalogue.known_models import known_store
    from aura_local.catalogue.profile_advice import advise_profile
    from aura_local.catalogue.profiles import shipped_profiles

    store = known_store(loaded.values.home)
    return advise_profile(
        measured,
        shipped_profiles(),
        store.entries,
        {status.entry.name for status in store.available() if status.state == "present"},
        gpu_engines=bool(measured.gpus) and _gpu_engines(),
        reserve_bytes=loaded.values.limits.disk_reserve_bytes,
    )


def _gpu_engines() -> bool:
    """Whether the language model, which is most of the work, runs on a GPU: if llama.cpp was built so."""
    try:
        import llama_cpp
    except (ImportError, OSError, RuntimeError):
        return False
    return bool(llama_cpp.llama_supports_gpu_offload())


def _data_folder(home: Path) -> dict[str, Any]:
    existing = next(folder for folder in (home.absolute(), *home.absolute().parents) if folder.is_dir())
    disk = shutil.disk_usage(existing)
    return {
        "home": str(home),
        "created": (home / "aura.sqlite").is_file(),
        "disk_bytes": disk.total,
        "disk_free_bytes": disk.free,
    }


def _audio() -> dict[str, Any]:
    from aura_local.desktop_devices import INSTALL_PORTAUDIO, audio_devices

    try:
        devices = audio_devices()
    except AuraError as error:
        return {"portaudio": False, "problem": error.message, "command": INSTALL_PORTAUDIO}
    return {
        "portaudio": True,
        "microphones": sum(device.input_channels > 0 for device in devices),
        "loudspeakers": sum(device.output_channels > 0 for device in devices),
    }
