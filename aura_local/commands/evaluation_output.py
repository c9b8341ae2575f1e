"""What `aura eval` shows: bars while it measures, tables of what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import typer

from aura_local.commands.output import print_table, progress_console
from aura_local.errors import StorageUnavailable

_TITLES: Final[Mapping[str, str]] = {
    "vectors_1000": "Baseline: chunks of 1,000 characters, vectors only",
    "bm25_1000": "Baseline: chunks of 1,000 characters, BM25 only",
}
_DECLINED_COLUMNS: Final = ("questions", "share declined", "n")


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Yields what to call with a stage, what of it is done and what there is in all: a bar for each stage."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=progress_console(), transient=True) as progress:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
            progress.update(bars[stage], completed=done, total=total)

        yield show


def show_retrieval(report: Mapping[str, Any]) -> None:
    from aura_local.evaluation.report import RETRIEVAL_COLUMNS, rows

    print_table(RETRIEVAL_COLUMNS, rows(report["ours"]), title="Retrieval")
    for name, measured in report["baselines"].items():
        print_table(RETRIEVAL_COLUMNS, rows(measured), title=f"\n{_TITLES[name]}")
    print_table(_DECLINED_COLUMNS, rows(report["declined"]), title="\nDeclined")
    took = report["milliseconds"]
    print(f"\nA question took {took['p50']} ms (median), {took['p95']} ms (95 %), its embedding included.")
    _tell_failures(report)


def show_answers(report: Mapping[str, Any]) -> None:
    from aura_local.evaluation.report import ANSWER_COLUMNS, rows

    print_table(ANSWER_COLUMNS, rows(report["ours"]), title="Answers")
    print_table(_DECLINED_COLUMNS, rows(report["declined"]), title="\nDeclined")
    for name, took in report["milliseconds"].items():
        print(f"{name.replace('_', ' ')}: {took['p50']} ms (median), {took['p95']} ms (95 %)")
    print(
        "\nMeasured: whether the expected answer stands word for word in the answer, and whether the places "
        "that are cited answer the question.\nNot measured: answers that are right in other words, how they "
        "are put, and how they sound."
    )
    _tell_failures(report)


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Raises `StorageUnavailable`."""
    try:
        path.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageUnavailable(f"The report cannot be written: {error.strerror}.") from error


def _tell_failures(report: Mapping[str, Any]) -> None:
    for document, reason in report["conditions"]["failed_documents"].items():
        typer.secho(f"failed: {document}: {reason}", fg="red", err=True)
