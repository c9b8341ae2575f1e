"""Puts the commands together: our own, one module each, and those that other packages register.

A module of ours has `register(application)`. Another package names a function with typer's annotations
in the entry-point group `aura_local.commands`; the function's module is imported for every `aura --help`,
so it imports nothing but typer at its top and calls `forbid_egress` before anything heavy.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer

from aura_local.commands.failures import fail
from aura_local.commands.panels import SERVING
from aura_local.errors import ModelMissing

COMMANDS: Final = (
    "talk",
    "ask",
    "transcribe",
    "say",
    "demo",
    "ingest",
    "search",
    "reindex",
    "tenant",
    "user",
    "key",
    "secret",
    "usage",
    "audit",
    "backup",
    "master_key",
    "tls",
    "models",
    "bundle",
    "doctor",
    "bench",
    "eval",
    "version",
)
"""Modules of this package, in the order of the help page."""

GROUP: Final = "aura_local.commands"


def build_application() -> typer.Typer:
    """The whole command tree; no engine and no model is imported for it."""
    application = typer.Typer(
        name="aura",
        help="AURA Local: talk with your own documents, on this machine alone.",
        epilog=(
            "Settings come from options, AURA_* variables and aura.toml; `aura doctor` lists them. "
            "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 something is missing, 130 interrupted."
        ),
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        application.command(point.name, rich_help_panel=SERVING)(_load(point))
    for name in COMMANDS:
        import_module(f"aura_local.commands.{name}").register(application)
    return application


def _load(point: EntryPoint) -> Callable[..., Any]:
    """The registered function, or one that says what keeps it from loading: the others stay usable."""
    try:
        function: Callable[..., Any] = point.load()
    except ImportError as error:
        missing = error.name or point.value
        distribution = point.dist.name if point.dist is not None else "its package"

        def unavailable() -> None:
            """Not available: a package is missing."""
            fail(
                ModelMissing(
                    f"The command {point.name} needs {missing}, which is not installed; "
                    f"get it with: pip install --force-reinstall {distribution}"
                )
            )

        return unavailable
    return function
