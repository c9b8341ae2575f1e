"""Finds which heading each stretch of a document stands below. Layer 2.

Pure. Besides its headings proper a document has blocks that head others without being marked so: the
questions of a list of questions and answers, the numbered items of such a list, the first cell of a row that
holds a text. A passage is found by what it answers only when it knows of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.retrieval.pieces import Piece, Pieces, cell_spans
from aura_local.retrieval.readers.block import Block
from aura_local.retrieval.sentences import sentence_spans

LEAD_TOKENS: Final = 40
"""A block that is longer is text, not the heading of one."""
LEAD_REACH_TOKENS: Final = 150
"""How much text such a block heads at most: unlike a heading's, its end is not marked."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document below one heading."""

    heading: str
    """Path of the headings above it, outermost first, joined by " > "."""
    pieces: tuple[Piece, ...]


class _Outline:
    """The headings above the current place."""

    def __init__(self) -> None:
        self.path: list[Block] = []
        self.lead = ""

    def enter(self, heading: Block) -> None:
        self.path = [*(above for above in self.path if above.level < heading.level), heading]
        self.lead = ""

    def join(self, *, innermost: bool = True, below: str = "") -> str:
        path = self.path if innermost else self.path[:-1]
        names = [*(heading.text for heading in path), self.lead if innermost else "", below]
        return " > ".join(name for name in names if name)


def sections(blocks: Sequence[Block], pieces: Pieces) -> Iterator[Section]:
    """All text of a document in order, each stretch with its heading.

    A heading with nothing below it is text itself: otherwise its words could not be found.
    """
    outline = _Outline()
    lone_heading: list[Piece] = []
    pending: list[Piece] = []
    lead_tokens = position = 0

    def closed() -> Iterator[Section]:
        if pending:
            yield Section(outline.join(), tuple(pending))
            pending.clear()

    for block, is_lead in zip(blocks, _leads(blocks, pieces), strict=True):
        if block.kind == "heading":
            if lone_heading and not pending and outline.path and block.level <= outline.path[-1].level:
                yield Section(outline.join(innermost=False), tuple(lone_heading))
            yield from closed()
            outline.enter(block)
            lone_heading = pieces.of(block, position)
        else:
            lone_heading = []
            if is_lead:
                yield from closed()
                outline.lead, lead_tokens = block.text, 0
            elif pieces.is_long_row(block):
                yield from closed()
                yield _row_section(block, position, outline, pieces)
            else:
                if outline.lead and lead_tokens >= LEAD_REACH_TOKENS:
                    yield from closed()
                    outline.lead = ""
                of_block = pieces.of(block, position)
                lead_tokens += sum(piece.tokens for piece in of_block)
                pending.extend(of_block)
        position += len(block.text) + 1
    yield from closed()
    if lone_heading:
        yield Section(outline.join(innermost=False), tuple(lone_heading))


def _leads(blocks: Sequence[Block], pieces: Pieces) -> list[bool]:
    """Which blocks head the next one: a question before text, or an item standing alone before a paragraph.

    Never two in a row, for the first would head nothing and its words could not be found.
    """
    leads = [False] * len(blocks)
    for n in range(len(blocks) - 2, -1, -1):
        block, following = blocks[n], blocks[n + 1]
        if following.kind == "heading" or leads[n + 1] or block.kind not in ("paragraph", "list_item"):
            continue
        if _is_question(block):
            heads = not _is_question(following)
        else:
            alone = block.kind == "list_item" and (n == 0 or blocks[n - 1].kind != "list_item")
            heads = alone and following.kind == "paragraph"
        leads[n] = heads and _is_short(block, pieces)
    return leads


def _is_short(block: Block, pieces: Pieces) -> bool:
    return pieces.count(block.text) <= LEAD_TOKENS and len(sentence_spans(block.text)) == 1


def _is_question(block: Block) -> bool:
    return block.kind != "table_row" and block.text.endswith("?")


def _row_section(block: Block, position: int, outline: _Outline, pieces: Pieces) -> Section:
    start, end = cell_spans(block.text)[0]
    name = block.text[start:end]
    below = name if pieces.count(name) <= LEAD_TOKENS else ""
    return Section(outline.join(below=below), tuple(pieces.of(block, position)))
