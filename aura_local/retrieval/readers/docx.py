"""Reads Word documents with python-docx, after the archive has been checked for bombs. Layer 2."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, Final

from aura_local.errors import DocumentUnreadable
from aura_local.retrieval.readers.block import Block, Reading, one_line
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.office import checked_office_file
from aura_local.retrieval.readers.table import table_rows

_DAMAGED: Final = "The Word document is damaged or cut short and cannot be opened."
_HEADING: Final = re.compile(r"heading (\d)", re.IGNORECASE)


def read_docx(data: bytes, limits: ReadingLimits) -> Reading:
    import docx

    package = checked_office_file(data, limits, _DAMAGED)
    try:
        document = docx.Document(io.BytesIO(package))
        title = one_line(document.core_properties.title or "")
    except MemoryError:
        raise
    except Exception as error:  # damaged packages raise KeyError, XMLSyntaxError and more
        raise DocumentUnreadable(_DAMAGED) from error
    return Reading(title, _blocks(document), [])


def _blocks(document: Any) -> Iterator[Block]:
    from docx.table import Table

    try:
        for item in document.iter_inner_content():
            if isinstance(item, Table):
                yield from _table(item)
            else:
                yield from _paragraph(item)
    except (KeyError, AttributeError, ValueError, IndexError, TypeError) as error:
        raise DocumentUnreadable(_DAMAGED) from error


def _paragraph(paragraph: Any) -> Iterator[Block]:
    text = one_line(paragraph.text)
    if not text:
        return
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    heading = _HEADING.match(style)
    if heading is not None or style == "Title":
        yield Block("heading", text, level=min(6, max(1, int(heading[1]))) if heading else 1)
    elif style.startswith("List") or paragraph._p.find(".//{*}numPr") is not None:
        yield Block("list_item", text)
    else:
        yield Block("paragraph", text)


def _table(table: Any) -> Iterator[Block]:
    """The rows with their header; a line that is merged over the whole width above it is its title."""
    rows = [_cells(row) for row in table.rows]
    while rows and len(rows) > 1 and len({cell for cell in rows[0] if cell}) <= 1:
        yield from table_rows([rows.pop(0)[:1]], None)
    header = rows.pop(0) if len(rows) > 1 and _heads(table, rows) else None
    yield from table_rows(rows, header)


def _heads(table: Any, rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: Word says so, unless there is but one column."""
    if len(rows[0]) < 2 or not all(rows[0]):
        return False
    look = table._tbl.find("{*}tblPr/{*}tblLook")
    repeated = table._tbl.find(".//{*}tblHeader") is not None
    return (
        repeated
        or look is None
        or any(
            look.get(key) in ("1", "true") or (key.endswith("val") and int(value, 16) & 0x20)
            for key, value in look.attrib.items()
            if key.endswith(("}firstRow", "}val"))
        )
    )


def _cells(row: Any) -> list[str]:
    cells: list[str] = []
    previous: Any = None
    for cell in row.cells:  # a merged cell is listed once per column it spans
        cells.append("" if cell._tc is previous else one_line(cell.text))
        previous = cell._tc
    return cells
