"""What a reader makes of a document: its blocks of text in reading order. Layer 2."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

BlockKind: TypeAlias = Literal["heading", "paragraph", "list_item", "table_row"]
BLOCK_KINDS: Final[tuple[BlockKind, ...]] = ("heading", "paragraph", "list_item", "table_row")


@dataclass(frozen=True, slots=True)
class Block:
    """One heading, paragraph, list item or table row."""

    kind: BlockKind
    text: str
    """Plain text without line breaks at its ends, never empty."""
    level: int = 0
    """1 (highest) to 6 for headings, else 0."""
    page: int = 0
    """Page number from 1, or 0 where the document has no pages."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A document as its reader saw it."""

    title: str
    """From the document's own metadata; empty where it has none."""
    blocks: Iterable[Block]
    """Made lazily, so that a document that grows without end is stopped on the way."""
    warnings: list[str]
    """What could not be read; filled while `blocks` is consumed."""


def one_line(text: str) -> str:
    """Text with every run of white space turned into one blank and control characters removed."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else "" for c in text).split())
