"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

HomeOption: TypeAlias = Annotated[
    Path | None, typer.Option("--home", help="Data folder; AURA_HOME sets it as well.", file_okay=False)
]
ProfileOption: TypeAlias = Annotated[
    Literal["auto", "demo"] | None,
    typer.Option(
        "--profile",
        help="`auto` takes the best engines present, `demo` the small synthetic models that ship.",
    ),
]
TenantOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--tenant", help="Name of the tenant; may be left out where there is only one."),
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help='Print one JSON value; errors as {"error": {...}}.')
]
