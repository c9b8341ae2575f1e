"""A bar on standard error for work on files: bytes, rate and time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aura_local.commands.output import progress_console


@contextmanager
def byte_bar(description: str) -> Iterator[Callable[[str, int, int], None]]:
    """Yields what to call with the file at work, the bytes done and those in all."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=progress_console(), transient=True) as progress:
        bar = progress.add_task(description, total=None)

        def show(name: str, done_bytes: int, all_bytes: int) -> None:
            progress.update(
                bar, description=f"{description} {name[-40:]}", completed=done_bytes, total=all_bytes
            )

        yield show
