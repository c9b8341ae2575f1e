"""`aura version`"""

from __future__ import annotations

import typer

from aura_local.commands.options import JsonOption
from aura_local.commands.output import print_json
from aura_local.commands.panels import INSTALLATION


def register(application: typer.Typer) -> None:
    application.command("version", rich_help_panel=INSTALLATION)(version)


def version(as_json: JsonOption = False) -> None:
    """Print the version of AURA Local and of Python."""
    import platform

    from aura_local import __version__

    if as_json:
        print_json({"version": __version__, "python": platform.python_version()})
    else:
        print(f"AURA Local {__version__} on Python {platform.python_version()}")
