"""Turns the rows of a table into blocks that are understood one by one, each with its header. Layer 2.

A row becomes `Header: value | Header: value`, for a row without its header answers nothing. A sheet whose
cells hold whole paragraphs, such as a list of questions and answers, is no table but a document in disguise:
there each row becomes a section (heading, paragraphs, and a row with what is left).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from statistics import median
from typing import Final

from aura_local.retrieval.readers.block import Block, one_line

_SAMPLE_ROWS: Final = 50
_HEADER_CHARACTERS: Final = 60
_PROSE_CHARACTERS: Final = 160
"""Cells of this length in the median are two sentences or more."""
_SECTION_CHARACTERS: Final = 300
_VALUE: Final = re.compile(r"[-+(]?[$€£]?\s?[\d.,:/\s-]*\d[\d.,:/\s-]*[%€$£)]?|https?://\S+|\S+@\S+\.\S+")
"""A number, an amount, a date, a time, a link or an e-mail address: nobody heads a column with these."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the rows of a sheet are to be read."""

    header: tuple[str, ...]
    """Empty where there is none."""
    prose: frozenset[int] = frozenset()
    """Columns of paragraphs."""
    key: int | None = None
    """Column that names the row, where there are columns of paragraphs."""


def table_rows(
    rows: Iterable[Sequence[str]], header: Sequence[str] | None, *, page: int = 0
) -> Iterator[Block]:
    """The rows of a table inside a document; `header` is None where it has no header row."""
    names = tuple(map(one_line, header or ()))
    filled = False
    for row in rows:
        for block in _row(row, names, range(len(row)), page):
            filled = True
            yield block
    if names and not filled:  # a header alone still says something
        yield from _row(names, (), range(len(names)), page)


def sheet_blocks(
    rows: Iterable[Sequence[str]], *, level: int = 1, has_header: bool | None = None
) -> Iterator[Block]:
    """The rows of a whole sheet, whose layout is found by looking at the first of them.

    So is whether they begin with a header, where `has_header` does not say. Sections begin with a heading
    of `level`. Reads lazily; empty rows cost nothing.
    """
    filled = (row for row in rows if any(cell.strip() for cell in row))
    sample = list(islice(filled, _SAMPLE_ROWS))
    while has_header is None and _is_title(sample):
        yield Block("heading", one_line("".join(sample.pop(0))), level=level)
    if not sample:
        return
    named = _is_header(sample) if has_header is None else has_header
    header = tuple(map(one_line, sample[0])) if named else ()
    body = chain(sample[1 if header else 0 :], filled)
    if header and len(sample) == 1:
        yield from _row(header, (), range(len(header)), 0)
        return
    layout = _layout(header, sample[1 if header else 0 :])
    for row in body:
        if layout.prose:
            yield from _section(row, layout, level)
        else:
            yield from _row(row, header, range(len(row)), 0)


def _is_title(sample: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is a line above the table, in a cell of its own."""
    filled = [[cell for cell in row if cell.strip()] for row in sample]
    return len(sample) > 1 and len(filled[0]) == 1 and max(map(len, filled)) > 1


def _is_header(sample: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: short, distinct words that do not occur below themselves."""
    names = [one_line(cell) for cell in sample[0]]
    given = [name for name in names if name]
    if len(given) != len(set(given)) or 2 * len(given) < len(names):
        return False
    if any(
        len(name) > _HEADER_CHARACTERS or _VALUE.fullmatch(name) or name.endswith((".", "!"))
        for name in given
    ):
        return False
    below = [[one_line(row[n]) for row in sample[1:] if n < len(row)] for n in range(len(names))]
    if any(name and name in column for name, column in zip(names, below, strict=True)):
        return False
    if len(names) == 1:
        return bool(below[0]) and (
            all(map(_VALUE.fullmatch, below[0])) or median(map(len, below[0])) > 2 * len(names[0]) + 10
        )
    return True


def _layout(header: tuple[str, ...], sample: Sequence[Sequence[str]]) -> _Layout:
    width = max(map(len, sample))
    lengths = [[len(row[n].strip()) for row in sample if n < len(row)] for n in range(width)]
    medians = [median(column) if column else 0 for column in lengths]
    prose = frozenset(n for n, length in enumerate(medians) if length >= _PROSE_CHARACTERS)
    names = (n for n in range(width) if n not in prose and medians[n] > 0 and max(lengths[n]) > 3)
    return _Layout(header, prose, next(names, None) if prose else None)


def _section(row: Sequence[str], layout: _Layout, level: int) -> Iterator[Block]:
    rest = [n for n in range(len(row)) if n not in layout.prose]
    if layout.key is not None and layout.key < len(row):
        name = one_line(row[layout.key])
        if name and len(name) <= _SECTION_CHARACTERS:
            yield Block("heading", name, level=level)
            rest.remove(layout.key)
    several = len(layout.prose) > 1
    for n in sorted(layout.prose):
        title = layout.header[n] if several and n < len(layout.header) else ""
        for paragraph in re.split(r"\n\s*\n", row[n] if n < len(row) else ""):
            text = one_line(paragraph)
            if text:
                yield Block("paragraph", f"{title}: {text}" if title else text)
                title = ""
    yield from _row(row, layout.header, rest, 0)


def _row(row: Sequence[str], header: Sequence[str], columns: Iterable[int], page: int) -> Iterator[Block]:
    cells: list[str] = []
    for n in columns:
        value = one_line(row[n])
        name = header[n].rstrip(": ") if n < len(header) else ""
        if value:
            cells.append(f"{name}: {value}" if name and name != value else value)
    if cells:
        yield Block("table_row", " | ".join(cells), page=page)
