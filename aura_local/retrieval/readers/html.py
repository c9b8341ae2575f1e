"""Reads HTML: the visible text of the body, without scripts, styles and navigation. Layer 2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from aura_local.retrieval.readers.block import Block, BlockKind, Reading, one_line
from aura_local.retrieval.readers.table import table_rows

_DROPPED: Final = ["script", "style", "nav", "noscript", "template", "svg", "iframe", "object", "form"]
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_BLOCK_NAMES: Final = (
    "address article aside blockquote body br caption center dd details dialog div dl dt fieldset figcaption"
    " figure footer header hr html legend li main ol p pre section summary table tbody tfoot thead tr ul"
)
_BLOCKS: Final = frozenset(_BLOCK_NAMES.split()) | set(_HEADINGS)
_CELLS: Final = frozenset({"td", "th"})
_LAYOUT: Final = "tr table, tr h1, tr h2, tr h3, tr h4, tr ul, tr ol, tr p + p"
"""What stands in the tables that lay out a page, and not in those that hold data."""
_SPAN_LIMIT: Final = 50


def read_html(text: str) -> Reading:
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text)
    title_node = tree.css_first("title")
    title = one_line(title_node.text()) if title_node is not None else ""
    tree.strip_tags(_DROPPED)
    return Reading(title, _blocks(tree.body), [])


def _blocks(root: Any) -> Iterator[Block]:
    """Walk the tree without recursion: its depth is the page author's choice, not ours."""
    pending: list[str] = []
    open_kinds: list[tuple[BlockKind, int]] = [("paragraph", 0)]
    node, entering = root, True
    while node is not None:
        tag = node.tag
        if entering:
            if tag == "-text":
                pending.append(node.text_content or "")
            elif tag in _CELLS and any(part.strip() for part in pending):
                pending.append(" | ")
            elif tag in _BLOCKS and open_kinds[-1][0] == "table_row" and tag != "br":
                pending.append(" ")
            elif tag in _BLOCKS:
                yield from _close(pending, open_kinds[-1])
            kind = _kind(tag)
            if kind is not None:
                open_kinds.append(kind)
            if tag == "table" and node.css_first(_LAYOUT) is None:
                yield from _table(node)
            elif node.first_child is not None:
                node = node.first_child
                continue
        if _kind(tag) is not None and len(open_kinds) > 1:
            yield from _close(pending, open_kinds[-1])
            open_kinds.pop()
        elif tag in _BLOCKS and open_kinds[-1][0] != "table_row":
            yield from _close(pending, open_kinds[-1])
        if node.mem_id == root.mem_id:
            return
        entering = node.next is not None
        node = node.next if entering else node.parent


def _table(table: Any) -> Iterator[Block]:
    """A table of data: its caption, and its rows with their header."""
    caption = table.css_first("caption")
    yield from _close([caption.text()] if caption is not None else [], ("paragraph", 0))
    rows = table.css("tr")
    if len(rows) > 1 and _is_header(rows[0]):
        yield from table_rows(map(_cells, rows[1:]), _cells(rows[0]))
        return
    for row in rows:
        cells = [cell for cell in row.iter() if cell.tag in _CELLS]
        if [cell.tag for cell in cells] == ["th", "td"]:  # a row that begins with its own name
            yield from table_rows([_cells(row)[1:]], _cells(row)[:1])
        else:
            yield from table_rows([_cells(row)], None)


def _is_header(row: Any) -> bool:
    cells = [cell for cell in row.iter() if cell.tag in _CELLS]
    if len(cells) < 2:
        return False
    return all(cell.tag == "th" for cell in cells) or all(
        cell.css_first("b, strong") is not None for cell in cells
    )


def _cells(row: Any) -> list[str]:
    """Its texts; a cell that spans columns is followed by empty ones."""
    texts: list[str] = []
    for cell in row.iter():
        if cell.tag in _CELLS:
            divided = cell.css_first("br, div, li, p") is not None
            texts.append(one_line(cell.text(separator=" " if divided else "")))
            span = cell.attributes.get("colspan") or "1"
            texts.extend([""] * (min(int(span), _SPAN_LIMIT) - 1 if span.isdecimal() else 0))
    return texts


def _kind(tag: str | None) -> tuple[BlockKind, int] | None:
    if tag in _HEADINGS:
        return "heading", _HEADINGS[tag]
    if tag == "li":
        return "list_item", 0
    return ("table_row", 0) if tag == "tr" else None


def _close(pending: list[str], kind: tuple[BlockKind, int]) -> Iterator[Block]:
    text = one_line("".join(pending)).strip("| ") if kind[0] == "table_row" else one_line("".join(pending))
    pending.clear()
    if text:
        yield Block(kind[0], text, level=kind[1])
