"""Cuts a document into passages: the unit that is embedded, found, cited and read to the model. Layer 2.

Pure. A passage follows the document's own structure: it stays below one heading and on one page, prefers to
end where a paragraph ends, and never ends inside a sentence. Its text is a slice of `document_text(blocks)`,
so that a citation can be highlighted in the document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.retrieval.pieces import Piece, Pieces
from aura_local.retrieval.readers.block import Block
from aura_local.retrieval.sections import sections

LIMIT_TOKENS: Final = 34
"""One long sentence or two short ones. What is read to the model has to fit into 150 tokens or so: on a CPU
each costs 4 to 7 ms. Small passages that know their headings bring more of the right text into that than
large ones: at limits of 34, 52, 72 and 112 tokens, 0.93, 0.91, 0.89 and 0.80 of questions find theirs."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document."""

    ordinal: int
    """Position in the document, from 0."""
    text: str
    heading: str
    """Path of the headings above it, outermost first, joined by " > "; empty where there are none."""
    page: int | None
    """Its page, from 1; None where the document has no pages."""
    start_character: int
    end_character: int
    """Slice of `document_text(blocks)` that is `text`."""
    tokens: int
    """Of `text`, by the embedder's tokenizer, special ones included."""
    sentences: tuple[str, ...]
    """Its sentences (or list items, or table rows) in order; at least one."""


def document_text(blocks: Sequence[Block]) -> str:
    """The whole document as the text that `start_character` and `end_character` count in."""
    return "\n".join(block.text for block in blocks)


def cut_passages(
    blocks: Sequence[Block],
    count_tokens: Callable[[str], int],
    *,
    limit_tokens: int = LIMIT_TOKENS,
    window_tokens: int = 256,
    limit_sentences: int | None = None,
) -> list[Passage]:
    """Passages of at most `limit_tokens`, about half of that at least where the document allows it.

    `count_tokens` is the embedder's. A sentence longer than the limit is a passage of its own; one longer
    than `window_tokens`, of which the embedder would not see the end, is cut between clauses or words. Raises
    `PayloadTooLarge` for more than `limit_sentences`, list items and table rows counted as such.
    """
    text = document_text(blocks)
    passages: list[Passage] = []
    pieces = Pieces(count_tokens, window_tokens, limit=limit_sentences)
    for section in sections(blocks, pieces):
        for group in _groups(section.pieces, limit_tokens - pieces.special_tokens):
            start, end = group[0].start, group[-1].end
            passages.append(
                Passage(
                    ordinal=len(passages),
                    text=text[start:end],
                    heading=section.heading,
                    page=group[0].page or None,
                    start_character=start,
                    end_character=end,
                    tokens=count_tokens(text[start:end]),
                    sentences=tuple(text[piece.start : piece.end] for piece in group),
                )
            )
    return passages


def _groups(pieces: Sequence[Piece], limit_tokens: int) -> Iterator[list[Piece]]:
    """Neighbouring pieces of one page, filled up to the limit, ending with a paragraph if half full."""
    group: list[Piece] = []
    tokens = 0
    remaining = sum(piece.tokens for piece in pieces)
    for piece in pieces:
        if group and (tokens + piece.tokens > limit_tokens or piece.page != group[-1].page):
            yield group
            group, tokens = [], 0
        group.append(piece)
        tokens += piece.tokens
        remaining -= piece.tokens
        # What is left joins this passage when all of it fits: no passage of five words at the end.
        if piece.ends_paragraph and 2 * tokens >= limit_tokens and tokens + remaining > limit_tokens:
            yield group
            group, tokens = [], 0
    if group:
        yield group
