"""Pieces of a document that are never cut: sentences, list items, rows of a table. Layer 2.

Pure. Only what is longer than the embedder's window is divided after all, where it hurts least.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.errors import PayloadTooLarge
from aura_local.retrieval.readers.block import Block
from aura_local.retrieval.sentences import iterate_sentences

LONGEST_WORD_CHARACTERS: Final = 100
"""What is longer is no word: a tokenizer of BERT's kind makes one "unknown" token of it, whatever its length,
while a language model reads a token every two characters or so."""
CHARACTERS_PER_TOKEN: Final = 4
WHOLE_ROW_TOKENS: Final = 110
"""A row of a table is understood as a whole; a longer one holds text, and is cut like text."""
_CLAUSE_ENDS: Final = (",", ";", ":", "–", "—")
_CELL_ENDS: Final = re.compile(r" \| ")


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence, list item or table row with its place."""

    start: int
    end: int
    """Slice of the document's text."""
    tokens: int
    """Without special ones: those are counted once for a whole passage."""
    page: int
    ends_paragraph: bool


class Pieces:
    """Cuts blocks into pieces by one embedder's tokens."""

    def __init__(
        self, count_tokens: Callable[[str], int], window_tokens: int, *, limit: int | None = None
    ) -> None:
        """`count_tokens` counts special tokens too; `window_tokens` is what the embedder sees of a text.

        `limit` is the most pieces that a document may have.
        """
        self._limit = limit
        self._made = 0
        self._count_tokens = count_tokens
        self.special_tokens = count_tokens("")
        self._window_tokens = window_tokens - self.special_tokens
        # No text of words is that long and still fits into the window.
        self._slice_characters = (LONGEST_WORD_CHARACTERS + 1) * window_tokens

    def count(self, text: str) -> int:
        """Tokens without special ones; what is no word counts as a language model would count it.

        Estimated for a text that is longer than any window: counting holds the interpreter for all its time.
        """
        if len(text) > self._slice_characters:
            return len(text) // CHARACTERS_PER_TOKEN
        endless = (word for word in text.split() if len(word) > LONGEST_WORD_CHARACTERS)
        return self._count_tokens(text) - self.special_tokens + sum(len(word) // 2 for word in endless)

    def of(self, block: Block, position: int) -> list[Piece]:
        """The pieces of a block that begins at `position` of the document's text.

        Raises `PayloadTooLarge` when the document has more than the limit.
        """
        pieces: list[Piece] = []
        block_end = len(block.text.rstrip())
        for start, end in self._spans(block):
            for first, last, tokens in self._fit(block.text, start, end):
                self._made += 1
                if self._limit is not None and self._made > self._limit:
                    raise PayloadTooLarge(
                        f"The document has more than {self._limit} sentences, list items and rows; split it."
                    )
                ends = last == block_end
                pieces.append(Piece(position + first, position + last, tokens, block.page, ends))
        return pieces

    def is_long_row(self, block: Block) -> bool:
        return block.kind == "table_row" and self.count(block.text) > WHOLE_ROW_TOKENS

    def _spans(self, block: Block) -> Iterator[tuple[int, int]]:
        if block.kind != "table_row":
            yield from iterate_sentences(block.text)
        elif not self.is_long_row(block):
            yield 0, len(block.text)
        else:
            for start, end in cell_spans(block.text):
                for first, last in iterate_sentences(block.text[start:end]):
                    yield start + first, start + last

    def _fit(self, text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The span itself, or the parts of one that is longer than the window, with their tokens."""
        for first, last in _slices(text, start, end, self._slice_characters):
            tokens = self.count(text[first:last])
            if tokens <= self._window_tokens:
                yield first, last, tokens
            else:
                yield from self._parts(text, first, last)

    def _parts(self, text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        words = [(start + a, start + b) for a, b in _words(text[start:end], self._window_tokens)]
        first = 0
        while first < len(words):
            last = self._longest_fit(text, words, first)
            if last < len(words):
                clause_ends = (
                    n for n in range(last, (first + last) // 2, -1) if _ends_clause(text, words[n - 1])
                )
                last = next(clause_ends, last)
            a, b = words[first][0], words[last - 1][1]
            yield a, b, self.count(text[a:b])
            first = last

    def _longest_fit(self, text: str, words: Sequence[tuple[int, int]], first: int) -> int:
        """Largest `last` for which the words `first:last` fit into the window; at least one word."""
        fits = first + 1
        step = 1
        while fits + step <= len(words) and self._fits(text, words, first, fits + step):
            fits += step
            step *= 2
        low, high = fits, min(len(words), fits + step - 1)
        while low < high:
            middle = (low + high + 1) // 2
            if self._fits(text, words, first, middle):
                low = middle
            else:
                high = middle - 1
        return low

    def _fits(self, text: str, words: Sequence[tuple[int, int]], first: int, last: int) -> bool:
        return self.count(text[words[first][0] : words[last - 1][1]]) <= self._window_tokens


def cell_spans(row: str) -> list[tuple[int, int]]:
    """Start and end of each cell in the text of a table row."""
    ends = [*(match.span() for match in _CELL_ENDS.finditer(row)), (len(row), len(row))]
    starts = [0, *(after for _, after in ends)]
    return [(start, end) for start, (end, _) in zip(starts, ends, strict=False) if start < end]


def _slices(text: str, start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Parts of at most `size` characters, divided between words where there are any."""
    while end - start > size:
        blank = text.rfind(" ", start, start + size)
        middle = blank if blank > start else start + size
        yield start, middle
        start = middle + (middle == blank)
    yield start, end


def _ends_clause(text: str, word: tuple[int, int]) -> bool:
    return text[word[1] - 1] in _CLAUSE_ENDS


def _words(text: str, window_tokens: int) -> Iterator[tuple[int, int]]:
    """Spans of words; a word of more characters than the window has tokens is cut (it is no word)."""
    part = max(1, window_tokens // 2)
    for match in re.finditer(r"\S+", text):
        for a in range(match.start(), match.end(), part):
            yield a, min(a + part, match.end())
