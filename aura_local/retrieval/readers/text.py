"""Reads plain text: paragraphs are separated by empty lines, wrapped lines are joined."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aura_local.retrieval.readers.block import Block, Reading, one_line

_LIST_ITEM = re.compile(r"\s*([-*•]|\d{1,3}[.)])\s+(?=\S)")


def read_text(text: str) -> Reading:
    return Reading("", _blocks(text), [])


def _blocks(text: str) -> Iterator[Block]:
    for chunk in re.split(r"\n\s*\n|\f", text):
        lines: list[str] = []
        for line in chunk.split("\n"):
            item = _LIST_ITEM.match(line)
            if item is not None:
                yield from _paragraph(lines)
                lines = []
                content = one_line(line[item.end() :])
                if content:
                    yield Block("list_item", content)
            else:
                lines.append(line)
        yield from _paragraph(lines)


def _paragraph(lines: list[str]) -> Iterator[Block]:
    joined = one_line(" ".join(lines))
    if joined:
        yield Block("paragraph", joined)
