"""Reads OpenDocument texts: headings, paragraphs, lists and tables of content.xml. Layer 2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

from aura_local.errors import DocumentUnreadable
from aura_local.retrieval.readers.block import Block, BlockKind, Reading, one_line
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.package import open_document
from aura_local.retrieval.readers.table import table_rows
from aura_local.retrieval.readers.xml_tree import attribute, events, local_name, xml_root

_DAMAGED: Final = "The OpenDocument text is damaged or cut short and cannot be opened."
_SKIPPED: Final = frozenset(
    {"tracked-changes", "annotation", "note-citation", "sequence-decls", "forms", "desc"}
)
_MANIFEST: Final = "META-INF/manifest.xml"
_BREAKS: Final = frozenset({"s", "tab", "line-break"})


def read_odt(data: bytes, limits: ReadingLimits) -> Reading:
    package = open_document(data, limits, _DAMAGED)
    if _MANIFEST in package.members and b"encryption-data" in package.read(_MANIFEST):
        raise DocumentUnreadable("The document needs a password; remove it and try again.")
    body = next(
        (e for e in xml_root(package.read("content.xml"), _DAMAGED).iter() if local_name(e) == "text"), None
    )
    if body is None:
        raise DocumentUnreadable(_DAMAGED)
    title = ""
    if "meta.xml" in package.members:
        meta = xml_root(package.read("meta.xml"), _DAMAGED)
        title = next((one_line(e.text or "") for e in meta.iter() if local_name(e) == "title"), "")
    return Reading(title, _blocks(body), [])


@dataclass(slots=True)
class _Place:
    """Where in the text the walk is."""

    skipped: int = 0
    lists: int = 0
    tables: int = 0
    header_rows: int = 0
    paragraphs: list[list[str]] = field(default_factory=list)
    """Texts of the open ones; they may stand in each other, in text boxes and notes."""
    rows: list[tuple[bool, list[str]]] = field(default_factory=list)
    """Of the outermost open table: whether it is a header, and its cells."""


def _blocks(body: Element) -> Iterator[Block]:
    place = _Place()
    for entering, element in events(body):
        name = local_name(element)
        if name in _SKIPPED or place.skipped:
            place.skipped += 1 if entering else -1
            if not entering and not place.skipped and place.paragraphs:
                place.paragraphs[-1].append(element.tail or "")
        elif entering:
            _enter(place, element, name)
        else:
            yield from _leave(place, element, name)


def _enter(place: _Place, element: Element, name: str) -> None:
    if name in ("p", "h"):
        place.paragraphs.append([element.text or ""])
    elif place.paragraphs:
        place.paragraphs[-1].append(" " if name in _BREAKS else element.text or "")
    elif name == "table-row":
        place.rows.append((place.header_rows > 0, []))
    elif name in ("table-cell", "covered-table-cell") and place.rows:
        place.rows[-1][1].append("")
    _count(place, name, 1)


def _leave(place: _Place, element: Element, name: str) -> Iterator[Block]:
    _count(place, name, -1)
    if name in ("p", "h"):
        text = one_line("".join(place.paragraphs.pop()))
        if place.paragraphs:
            place.paragraphs[-1].append(f" {text} {element.tail or ''}")
        elif place.tables and place.rows and place.rows[-1][1]:
            cells = place.rows[-1][1]
            cells[-1] = f"{cells[-1]} {text}".strip()
        elif text:
            yield _paragraph(element, name, text, place.lists)
    elif place.paragraphs:
        place.paragraphs[-1].append(element.tail or "")
    elif name == "table" and not place.tables:
        yield from _table(place.rows)
        place.rows = []


def _count(place: _Place, name: str, step: int) -> None:
    if name == "list":
        place.lists += step
    elif name == "table":
        place.tables += step
    elif name == "table-header-rows":
        place.header_rows += step


def _paragraph(element: Element, name: str, text: str, lists: int) -> Block:
    if name == "h":
        level = attribute(element, "outline-level")
        return Block("heading", text, level=min(6, max(1, int(level) if level.isdecimal() else 1)))
    if attribute(element, "style-name") == "Title":
        return Block("heading", text, level=1)
    kind: BlockKind = "list_item" if lists else "paragraph"
    return Block(kind, text)


def _table(rows: list[tuple[bool, list[str]]]) -> Iterator[Block]:
    """Its first row is its header where it says so, or where every cell of it is filled."""
    cells = [row for _, row in rows if row]
    if not cells:
        return
    if len(cells) > 1 and len(cells[0]) > 1 and (rows[0][0] or all(cells[0])):
        yield from table_rows(cells[1:], cells[0])
    else:
        yield from table_rows(cells, None)
