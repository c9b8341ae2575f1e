"""Reads delimited text (csv, tsv): its delimiter is found by trying, its header by looking. Layer 2."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final

from aura_local.errors import DocumentUnreadable
from aura_local.retrieval.readers.block import Block, Reading
from aura_local.retrieval.readers.table import sheet_blocks

_DELIMITERS: Final = (",", ";", "\t", "|")
_SAMPLE_CHARACTERS: Final = 32_768
_SAMPLE_ROWS: Final = 200


def read_delimited(text: str) -> Reading:
    """The reading of a text whose records are lines and whose fields are separated by one character."""
    csv.field_size_limit(max(len(text), 1))
    return Reading("", _blocks(text), [])


def _blocks(text: str) -> Iterator[Block]:
    first_line, _, rest = text.partition("\n")
    if first_line.lower().startswith("sep=") and len(first_line) == 5:  # a spreadsheet's own hint
        delimiter, text = first_line[4], rest
    else:
        delimiter = _delimiter(text[:_SAMPLE_CHARACTERS])
    try:
        yield from sheet_blocks(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise DocumentUnreadable("The table is damaged: its lines cannot be told apart.") from error


def _delimiter(sample: str) -> str:
    """The one that divides most rows into the same number of fields, more than one."""

    def agreement(delimiter: str) -> tuple[float, int]:
        rows = islice(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter), _SAMPLE_ROWS)
        widths = Counter(len(row) for row in rows if row)
        width, rows_alike = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        return (rows_alike / widths.total() if width > 1 else 0.0), width

    return max(_DELIMITERS, key=agreement)
