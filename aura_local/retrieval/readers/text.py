"""Reads plain text: paragraphs are separated by empty lines, wrapped lines are joined. Layer 2.

Plain text has headings too, only unmarked: a short line alone above a paragraph, a numbered question, or
the `== Heading ==` of a wiki.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from aura_local.retrieval.readers.block import Block, Reading, one_line

UNWRAPPED_CHARACTERS: Final = 250
"""Nobody wraps lines by hand at this length: a longer line is a paragraph of its own."""
_LIST_ITEM: Final = re.compile(r"\s*([-*•]|\d{1,3}[.)])\s+(?=\S)")
_NUMBERED: Final = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,4}[.)]?)\s+(?=\S)")
_WIKI_HEADING: Final = re.compile(r"\s*(=(?: ?=){0,5})\s*([^=\s](?:[^=]*[^=\s])?)\s*(=(?: ?=){0,5})\s*$")
_UNDERLINE: Final = re.compile(r"\s*([=~*#-])\1{2,}\s*$")
_HEADING_CHARACTERS: Final = 90
_LINES_OF_A_QUESTION: Final = 3


def read_text(text: str) -> Reading:
    """A reading without a title, for plain text names none."""
    return Reading("", _blocks(text), [])


def wiki_heading(line: str) -> Block | None:
    """The heading `== Title ==` (or `= = Title = =`) that the line is, if it is one."""
    match = _WIKI_HEADING.match(line)
    if match is None or match[1].count("=") != match[3].count("="):
        return None
    return Block("heading", one_line(match[2]), level=match[1].count("="))


def _blocks(text: str) -> Iterator[Block]:
    chunks = [chunk for chunk in re.split(r"\n\s*\n|\f", text) if chunk.strip()]
    for chunk, below in zip_longest(chunks, chunks[1:], fillvalue=""):
        lines = [line for line in chunk.split("\n") if line.strip()]
        heading = _heading(lines, below)
        if heading is not None:
            yield heading
        else:
            yield from _chunk(lines)


def _heading(lines: list[str], below: str) -> Block | None:
    """The heading that lines between two empty ones are, given what follows."""
    if len(lines) == 2 and _UNDERLINE.match(lines[1]) and len(lines[0].strip()) <= _HEADING_CHARACTERS:
        return Block("heading", one_line(lines[0]), level=1 if lines[1].strip()[0] in "=#*" else 2)
    text = one_line(" ".join(lines))
    numbered = _NUMBERED.match(text)
    question = numbered is not None and text.endswith("?") and len(lines) <= _LINES_OF_A_QUESTION
    if not question and (len(lines) != 1 or len(text) > _HEADING_CHARACTERS):
        return None
    title = text[numbered.end() :] if numbered else text
    begins = title[:1].isupper() or (numbered is not None and question)
    if not begins or title[-1] in ".,;:!" or (_LIST_ITEM.match(text) and not question):
        return None
    # What stands above something shorter is one of several lines, not a title.
    if len(one_line(below)) <= len(text):
        return None
    return Block("heading", text if numbered is None else title, level=2)


def _chunk(chunk: list[str]) -> Iterator[Block]:
    lines: list[str] = []
    for line in chunk:
        item = _LIST_ITEM.match(line)
        heading = wiki_heading(line)
        if item is None and heading is None:
            lines.append(line)
            if len(line) <= UNWRAPPED_CHARACTERS:
                continue
        yield from _paragraph(lines)
        lines = []
        if heading is not None:
            yield heading
        elif item is not None:
            content = one_line(line[item.end() :])
            if content:
                yield Block("list_item", content)
    yield from _paragraph(lines)


def _paragraph(lines: list[str]) -> Iterator[Block]:
    joined = one_line(" ".join(lines))
    if joined:
        yield Block("paragraph", joined)
