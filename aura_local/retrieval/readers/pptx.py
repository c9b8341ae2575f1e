"""Reads PowerPoint presentations with python-pptx: a slide is a page, its title a heading. Layer 2."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

from aura_local.errors import DocumentUnreadable, PayloadTooLarge
from aura_local.retrieval.readers.block import Block, Reading, one_line
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.office import checked_office_file
from aura_local.retrieval.readers.table import table_rows

_DAMAGED: Final = "The presentation is damaged or cut short and cannot be opened."
_GROUP_DEPTH: Final = 20


def read_pptx(data: bytes, limits: ReadingLimits) -> Reading:
    import pptx

    package = checked_office_file(data, limits, _DAMAGED)
    try:
        presentation = pptx.Presentation(io.BytesIO(package))
        title = one_line(presentation.core_properties.title or "")
        slide_count = len(presentation.slides)
    except MemoryError:
        raise
    except Exception as error:  # damaged packages raise KeyError, XMLSyntaxError and more
        raise DocumentUnreadable(_DAMAGED) from error
    if slide_count > limits.pages:
        raise PayloadTooLarge(f"The presentation has {slide_count} slides; at most {limits.pages} are read.")
    if title == "PowerPoint Presentation":  # what the program writes where nobody gave one
        title = ""
    return Reading(title, _blocks(presentation), [])


def _blocks(presentation: Any) -> Iterator[Block]:
    try:
        for number, slide in enumerate(presentation.slides, start=1):
            yield from _slide(slide, number)
    except (KeyError, AttributeError, ValueError, IndexError, TypeError) as error:
        raise DocumentUnreadable(_DAMAGED) from error


def _slide(slide: Any, number: int) -> Iterator[Block]:
    title = slide.shapes.title
    heading = one_line(title.text_frame.text) if title is not None else ""
    if heading:
        yield Block("heading", heading, level=1, page=number)
    for shape in slide.shapes:
        if title is None or shape.shape_id != title.shape_id:
            yield from _shape(shape, number, 0)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        for paragraph in slide.notes_slide.notes_text_frame.paragraphs:
            text = one_line(paragraph.text)
            if text:
                yield Block("paragraph", text, page=number)


def _shape(shape: Any, number: int, depth: int) -> Iterator[Block]:
    members = getattr(shape, "shapes", None)
    if members is not None:  # a group
        for member in members if depth < _GROUP_DEPTH else ():
            yield from _shape(member, number, depth + 1)
    elif getattr(shape, "has_table", False):
        rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
        header = rows.pop(0) if shape.table.first_row and len(rows) > 1 else None
        yield from table_rows(rows, header, page=number)
    elif shape.has_text_frame:
        lines = [text for text in (one_line(p.text) for p in shape.text_frame.paragraphs) if text]
        for text in lines:
            yield Block("list_item" if len(lines) > 1 else "paragraph", text, page=number)
