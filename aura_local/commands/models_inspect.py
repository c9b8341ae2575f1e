"""`aura models inspect`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anyio.to_thread
import typer

from aura_local.commands.failures import ExitCode
from aura_local.commands.models_list import megabytes
from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import print_json, print_table
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.catalogue.inspection import Inspection
    from aura_local.settings_sources import LoadedSettings


def inspect(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A model's file, or a folder with one model.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Tell what a model is and whether it can be used here; no engine opens it, nothing is copied.

    Exit code 1 when it cannot be used as it is.
    """

    async def work(loaded: LoadedSettings) -> ExitCode:
        from aura_local.catalogue.inspection import inspect_model

        found = await anyio.to_thread.run_sync(inspect_model, path)
        if as_json:
            print_json(_fields(found))
        else:
            print_table(("fact", "value"), [(name, _shown(value)) for name, value in _rows(found)])
        return ExitCode.DONE if found.reason is None else ExitCode.FAILED

    run_command(work, home=home, as_json=as_json)


def _fields(found: Inspection) -> dict[str, Any]:
    named = ("name", "job", "kind", "size_bytes", "memory_bytes", "reason")
    return {
        **{name: getattr(found, name) for name in named},
        "languages": list(found.languages),
        "usable": found.reason is None,
        "facts": {name.replace(" ", "_"): value for name, value in found.facts.items()},
    }


def _rows(found: Inspection) -> list[tuple[str, Any]]:
    memory = [] if found.memory_bytes is None else [("memory", "~" + megabytes(found.memory_bytes))]
    return [
        ("name", "".join(character for character in found.name[:80] if character.isprintable())),
        ("job", found.job.replace("_", " ")),
        ("kind", found.kind),
        ("size", megabytes(found.size_bytes)),
        *memory,
        ("languages", " ".join(found.languages)),
        *found.facts.items(),
        ("usable", "yes" if found.reason is None else f"no: {found.reason}"),
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == 0:
        return "not said"
    return f"{value:,}" if isinstance(value, int) else str(value)
