"""Runs the body of a command: offline, with settings, and with every error told in one line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aura_local.commands.failures import ExitCode, fail, first_error
from aura_local.egress import forbid_egress
from aura_local.errors import AuraError

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings


def run_command(
    work: Callable[[LoadedSettings], Awaitable[ExitCode | None]],
    *,
    home: Path | None = None,
    profile: str | None = None,
    as_json: bool = False,
) -> None:
    """Await `work(settings)`; `home` and `profile` override the other sources of settings.

    Raises `typer.Exit` with what `work` returns (None is `DONE`), with the code of the `AuraError` it
    raises, or with `INTERRUPTED` after Control-C.
    """
    forbid_egress()
    import anyio

    from aura_local.logs import configure_logging
    from aura_local.settings_sources import load_settings

    failure: AuraError | None = None
    code: ExitCode | None = None
    try:
        loaded = load_settings({"home": home, "profile": profile})
        # Commands tell their errors themselves; a log on the terminal is for those who ask for it.
        asked = loaded.sources["log_level"] != "default"
        configure_logging(loaded.values.log_level if asked else "error")
        code = anyio.run(work, loaded)
    except* AuraError as group:
        failure = first_error(group)
    except* KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    if failure is not None:
        fail(failure, as_json=as_json)
    raise typer.Exit(code or ExitCode.DONE)
