"""What commands print: JSON for scripts, text for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console

    from aura_local.conversation.events import Citation


WIDE_COLUMNS: Final = 1000


def print_json(value: object) -> None:
    """One JSON value on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def progress_console() -> Console:
    """For bars and spinners: standard error, so that standard output holds the result alone."""
    from rich.console import Console

    return Console(stderr=True)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """A plain table on standard output; cells are shown as they are, never read as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    # Into a pipe or file every row is one line, whatever its length.
    console = Console() if sys.stdout.isatty() else Console(width=WIDE_COLUMNS)
    console.print(table)


def moment(stamp: str | None) -> str:
    """A stored time (ISO 8601, UTC) to the minute."""
    return "" if stamp is None else stamp[:16].replace("T", " ") + " UTC"


def source_line(citation: Citation) -> str:
    """Where an answer comes from, in words."""
    parts = [citation.document]
    if citation.heading:
        parts.append(citation.heading)
    if citation.page is not None:
        parts.append(f"page {citation.page}")
    return ", ".join(parts)


def citation_json(citation: Citation) -> dict[str, Any]:
    """The same fields as in `/api/chat`."""
    from dataclasses import asdict

    return asdict(citation)
