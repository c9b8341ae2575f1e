"""Reads Excel workbooks with openpyxl: each sheet a heading, each row with its header. Layer 2."""

from __future__ import annotations

import datetime
import io
import re
import warnings as python_warnings
from collections.abc import Iterator, Sequence
from typing import Any, Final

from aura_local.errors import DocumentUnreadable
from aura_local.retrieval.readers.block import Block, Reading, one_line
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.office import checked_office_file
from aura_local.retrieval.readers.package import open_package, repacked
from aura_local.retrieval.readers.table import sheet_blocks

_DAMAGED: Final = "The workbook is damaged or cut short and cannot be opened."
COLUMN_LIMIT: Final = 512
"""A wider table is no table that anybody asks about; the program's own limit of 16,384 makes bombs."""
_LARGE_SHEET_BYTES: Final = 1024 * 1024
# Only what says its place: those that follow do not move up when it is gone.
_EMPTY_CELL: Final = re.compile(rb'<c r="[A-Z]{1,3}\d{1,7}"[^<>]{0,200}(?:/>|></c>)')
_EMPTY_ROW: Final = re.compile(rb'<row r="\d{1,7}"[^<>]{0,500}(?:/>|>\s{0,20}</row>)')
_CURRENCY: Final = re.compile(r"[$€£¥]")


def read_xlsx(data: bytes, limits: ReadingLimits) -> Reading:
    package = _without_empty_cells(checked_office_file(data, limits, _DAMAGED), limits)
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # about charts, styles and other parts that are not read
        import openpyxl

        try:
            workbook = openpyxl.load_workbook(io.BytesIO(package), read_only=True, data_only=True)
            title = one_line(workbook.properties.title or "")
        except MemoryError:
            raise
        except Exception as error:  # damaged packages raise KeyError, ParseError and more
            raise DocumentUnreadable(_DAMAGED) from error
    notes: list[str] = []
    return Reading(title, _blocks(workbook, notes), notes)


def _without_empty_cells(data: bytes, limits: ReadingLimits) -> bytes:
    """The workbook with formatted but empty cells and rows taken out of its large sheets.

    There may be a million of them, and openpyxl takes 16 microseconds for each.
    """
    package = open_package(data, limits, _DAMAGED)
    large = {
        name
        for name, member in package.members.items()
        if name.startswith("xl/worksheets/") and member.file_size > _LARGE_SHEET_BYTES
    }
    if not large:
        return data

    def change(name: str, content: bytes) -> bytes:
        return _EMPTY_ROW.sub(b"", _EMPTY_CELL.sub(b"", content)) if name in large else content

    return repacked(package, change)


def _blocks(workbook: Any, notes: list[str]) -> Iterator[Block]:
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException

    hidden = 0
    try:
        for sheet in workbook.worksheets:
            if sheet.sheet_state != "visible":
                hidden += 1
                continue
            heading = one_line(sheet.title)
            for block in sheet_blocks(_rows(sheet, notes), level=2):
                if heading:  # only once there is something below it
                    yield Block("heading", heading, level=1)
                    heading = ""
                yield block
    except (KeyError, AttributeError, ValueError, IndexError, TypeError, SyntaxError) as error:
        raise DocumentUnreadable(_DAMAGED) from error
    except (ParseError, DefusedXmlException) as error:
        raise DocumentUnreadable(_DAMAGED) from error
    if hidden:
        notes.append(f"{hidden} hidden sheets were not read.")


def _rows(sheet: Any, notes: list[str]) -> Iterator[Sequence[str]]:
    sheet.reset_dimensions()  # what a sheet says of its size need not be true
    cut = False
    for row in sheet.iter_rows():
        cells = [_text(cell) for cell in row[:COLUMN_LIMIT]]
        if len(row) > COLUMN_LIMIT and not cut:
            cut = True
            notes.append(f"Columns beyond the first {COLUMN_LIMIT} were not read.")
        yield cells


def _text(cell: Any) -> str:
    """What is seen in the cell, near enough: dates without midnight, shares and amounts with their sign."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat(" ", "minutes")
    if isinstance(value, datetime.time):
        return value.isoformat("minutes")
    if isinstance(value, int | float):
        return _number(value, cell.number_format or "")
    return str(value)


def _number(value: float, number_format: str) -> str:
    shown = number_format.split(";", maxsplit=1)[0]
    if "%" in shown:
        return f"{round(100 * value, 4):g}%"
    currency = _CURRENCY.search(shown)
    amount = f"{value:.2f}" if currency is not None and value != int(value) else f"{value:.15g}"
    if currency is None:
        return amount
    before = currency.start() < _first_digit(shown)
    return f"{currency[0]}{amount}" if before else f"{amount} {currency[0]}"


def _first_digit(number_format: str) -> int:
    digit = re.search(r"[0#?]", number_format)
    return digit.start() if digit is not None else len(number_format)
