"""Reads Markdown: headings, paragraphs, lists, tables and code, with the inline marks taken off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aura_local.retrieval.readers.block import Block, Reading, one_line

_FRONT_MATTER: Final = re.compile(r"\A---\n(.*?)\n(---|\.\.\.)\s*\n", re.DOTALL)
_TITLE: Final = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING: Final = re.compile(r" {0,3}(#{1,6})\s+(.*?)(\s+#+)?\s*$")
_UNDERLINE: Final = re.compile(r" {0,3}(=+|-+)\s*$")
_LIST_ITEM: Final = re.compile(r"\s*([-*+]|\d{1,9}[.)])\s+(?=\S)")
_RULE: Final = re.compile(r" {0,3}([-*_])(\s*\1){2,}\s*$")
_TABLE_RULE: Final = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*$")
_FENCE: Final = re.compile(r"\s*(```|~~~)")
_INLINE: Final = (
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]+)\](\([^)]*\)|\[[^\]]*\])"), r"\1"),
    (re.compile(r"<((?:https?|mailto):[^>\s]+)>"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^>]*>"), " "),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])([*_])(?=\S)(.+?)(?<=\S)\1(?![\w*])"), r"\2"),
    (re.compile(r"`+([^`]+)`+"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+.!|-])"), r"\1"),
)


def read_markdown(text: str) -> Reading:
    title = ""
    front_matter = _FRONT_MATTER.match(text)
    if front_matter is not None:
        named = _TITLE.search(front_matter[1])
        title = one_line(named[1]) if named else ""
        text = text[front_matter.end() :]
    return Reading(title, _blocks(_COMMENT.sub("", text).split("\n")), [])


def _blocks(lines: list[str]) -> Iterator[Block]:
    pending: list[str] = []
    kind: str = "paragraph"
    fenced = False
    for line in lines:
        if _FENCE.match(line):
            yield from _close(pending, kind)
            pending, kind, fenced = [], "paragraph", not fenced
        elif fenced:
            pending.append(line)
        elif (heading := _HEADING.match(line)) is not None:
            yield from _close(pending, kind)
            pending, kind = [], "paragraph"
            yield from _heading(heading[2], len(heading[1]))
        elif pending and kind == "paragraph" and (underline := _UNDERLINE.match(line)) is not None:
            yield from _heading(" ".join(pending), 1 if underline[1][0] == "=" else 2)
            pending = []
        elif not line.strip() or _RULE.match(line):
            yield from _close(pending, kind)
            pending, kind = [], "paragraph"
        elif line.lstrip().startswith("|"):
            yield from _close(pending, kind)
            pending, kind = [], "paragraph"
            yield from _table_row(line)
        elif (item := _LIST_ITEM.match(line)) is not None:
            yield from _close(pending, kind)
            pending, kind = [line[item.end() :]], "list_item"
        else:
            pending.append(line.strip().removeprefix(">"))
    yield from _close(pending, kind)


def _close(pending: list[str], kind: str) -> Iterator[Block]:
    text = plain(" ".join(pending))
    if text:
        yield Block("list_item" if kind == "list_item" else "paragraph", text)


def _heading(text: str, level: int) -> Iterator[Block]:
    text = plain(text)
    if text:
        yield Block("heading", text, level=level)


def _table_row(line: str) -> Iterator[Block]:
    if _TABLE_RULE.match(line):
        return
    cells = [plain(cell) for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
    text = " | ".join(cell for cell in cells if cell)
    if text:
        yield Block("table_row", text)


def plain(text: str) -> str:
    """Text without inline marks."""
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return one_line(text)
