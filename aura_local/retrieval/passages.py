"""Cuts a document into passages: the unit that is embedded, found, cited and read to the model.

Pure. A passage follows the document's own structure: it stays below one heading, prefers to end where a
paragraph ends, and never ends inside a sentence. Its text is a slice of `document_text(blocks)`, so that
a citation can be highlighted in the document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.retrieval.readers.block import Block
from aura_local.retrieval.sentences import sentence_spans

LIMIT_TOKENS: Final = 110
"""What a small language model on a CPU reads in the time a listener does not notice."""
LONGEST_WORD_CHARACTERS: Final = 100
"""What is longer is no word: a tokenizer of BERT's kind makes one "unknown" token of it, whatever its length,
while a language model reads a token every two characters or so."""
_CLAUSE_ENDS: Final = (",", ";", ":", "–", "—")


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document."""

    ordinal: int
    """Position in the document, from 0."""
    text: str
    heading: str
    """Path of the headings above it, outermost first, joined by " > "; empty where there are none."""
    page: int | None
    """Page it begins on, from 1; None where the document has no pages."""
    start_character: int
    end_character: int
    """Slice of `document_text(blocks)` that is `text`."""
    sentences: tuple[str, ...]
    """Its sentences (or list items, or table rows) in order; at least one."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence with its place."""

    start: int
    end: int
    tokens: int
    page: int
    ends_paragraph: bool


def document_text(blocks: Sequence[Block]) -> str:
    """The whole document as the text that `start_character` and `end_character` count in."""
    return "\n".join(block.text for block in blocks)


def cut_passages(
    blocks: Sequence[Block],
    count_tokens: Callable[[str], int],
    *,
    limit_tokens: int = LIMIT_TOKENS,
    window_tokens: int = 256,
) -> list[Passage]:
    """Passages of at most `limit_tokens`, about half of that at least where the document allows it.

    `count_tokens` is the embedder's. A sentence longer than the limit is a passage of its own; one longer
    than `window_tokens`, of which the embedder would not see the end, is cut between clauses or words.
    """
    text = document_text(blocks)
    passages: list[Passage] = []

    def count(part: str) -> int:
        endless = (word for word in part.split() if len(word) > LONGEST_WORD_CHARACTERS)
        return count_tokens(part) + sum(len(word) // 2 for word in endless)

    for heading, pieces in _sections(blocks, count, window_tokens):
        for group in _groups(pieces, limit_tokens):
            start, end = group[0].start, group[-1].end
            passages.append(
                Passage(
                    ordinal=len(passages),
                    text=text[start:end],
                    heading=heading,
                    page=group[0].page or None,
                    start_character=start,
                    end_character=end,
                    sentences=tuple(text[piece.start : piece.end] for piece in group),
                )
            )
    return passages


def _sections(
    blocks: Sequence[Block], count_tokens: Callable[[str], int], window_tokens: int
) -> Iterator[tuple[str, list[_Piece]]]:
    """Heading path and sentences of each stretch between two headings.

    A heading with nothing below it is a sentence itself: otherwise its words could not be found.
    """
    path: list[Block] = []
    lone_heading: list[_Piece] = []
    pieces: list[_Piece] = []
    position = 0
    for block in blocks:
        if block.kind == "heading":
            if pieces:
                yield _join(path), pieces
            elif path and block.level <= path[-1].level:
                yield _join(path[:-1]), lone_heading
            pieces = []
            path = [*(above for above in path if above.level < block.level), block]
            lone_heading = _pieces(block, position, count_tokens, window_tokens)
        else:
            pieces.extend(_pieces(block, position, count_tokens, window_tokens))
        position += len(block.text) + 1
    if pieces:
        yield _join(path), pieces
    elif path:
        yield _join(path[:-1]), lone_heading


def _join(path: Sequence[Block]) -> str:
    return " > ".join(block.text for block in path)


def _pieces(
    block: Block, position: int, count_tokens: Callable[[str], int], window_tokens: int
) -> list[_Piece]:
    whole = [(0, len(block.text))]
    spans = whole if block.kind == "table_row" else sentence_spans(block.text)
    pieces: list[_Piece] = []
    for start, end in spans:
        for first, last, tokens in _fit(block.text, start, end, count_tokens, window_tokens):
            pieces.append(_Piece(position + first, position + last, tokens, block.page, last == spans[-1][1]))
    return pieces


def _fit(
    text: str, start: int, end: int, count_tokens: Callable[[str], int], window_tokens: int
) -> Iterator[tuple[int, int, int]]:
    """The span itself, or the parts of one that is longer than the window, with their tokens."""
    tokens = count_tokens(text[start:end])
    if tokens <= window_tokens:
        yield start, end, tokens
        return
    words = [(start + a, start + b) for a, b in _words(text[start:end], window_tokens)]
    first = 0
    while first < len(words):
        last = _longest_fit(text, words, first, count_tokens, window_tokens)
        if last < len(words):
            clause_ends = (
                n for n in range(last, (first + last) // 2, -1) if _ends_clause(text, words[n - 1])
            )
            last = next(clause_ends, last)
        a, b = words[first][0], words[last - 1][1]
        yield a, b, count_tokens(text[a:b])
        first = last


def _ends_clause(text: str, word: tuple[int, int]) -> bool:
    return text[word[1] - 1] in _CLAUSE_ENDS


def _words(text: str, window_tokens: int) -> Iterator[tuple[int, int]]:
    """Spans of words; a word of more characters than the window has tokens is cut (it is no word)."""
    for match in re.finditer(r"\S+", text):
        for a in range(match.start(), match.end(), window_tokens // 2):
            yield a, min(a + window_tokens // 2, match.end())


def _longest_fit(
    text: str,
    words: Sequence[tuple[int, int]],
    first: int,
    count_tokens: Callable[[str], int],
    window_tokens: int,
) -> int:
    """Largest `last` for which the words `first:last` fit into the window; at least one word."""
    low, high = first + 1, min(len(words), first + window_tokens)
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens(text[words[first][0] : words[middle - 1][1]]) <= window_tokens:
            low = middle
        else:
            high = middle - 1
    return low


def _groups(pieces: Sequence[_Piece], limit_tokens: int) -> Iterator[list[_Piece]]:
    """Neighbouring sentences of one section, filled up to the limit, ending with a paragraph if half full."""
    group: list[_Piece] = []
    tokens = 0
    remaining = sum(piece.tokens for piece in pieces)
    for piece in pieces:
        if group and tokens + piece.tokens > limit_tokens:
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
