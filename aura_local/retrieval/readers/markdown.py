"""Reads Markdown: headings, paragraphs, lists, tables and code, with the inline marks taken off. Layer 2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from aura_local.retrieval.readers.block import Block, BlockKind, Reading, one_line
from aura_local.retrieval.readers.table import table_rows
from aura_local.retrieval.readers.text import UNWRAPPED_CHARACTERS, wiki_heading

_FRONT_MATTER: Final = re.compile(r"\A---\n(.*?)\n(---|\.\.\.)\s*\n", re.DOTALL)
_TITLE: Final = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING: Final = re.compile(r" {0,3}(#{1,6})\s+(.*?)(\s+#+)?\s*$")
_UNDERLINE: Final = re.compile(r" {0,3}(=+|-+)\s*$")
_LIST_ITEM: Final = re.compile(r"\s*([-*+]|\d{1,9}[.)])\s+(?=\S)")
_RULE: Final = re.compile(r" {0,3}([-*_])(\s*\1){2,}\s*$")
_TABLE_RULE: Final = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*$")
_FENCE: Final = re.compile(r"\s*(```|~~~)")
_TAGS: Final = (
    "a abbr b big blockquote br center cite code dd del details div dl dt em font h[1-6] hr i img ins kbd li"
    " mark ol p pre q s small span strike strong sub summary sup table tbody td tfoot th thead tr tt u ul var"
).replace(" ", "|")
"""What else stands in angle brackets is text: the name of a file, of a type, of a key."""
_INLINE: Final = (  # every repetition has a bound: without one, a long line of marks takes quadratic time
    (re.compile(r"!\[([^\]\[]{0,500})\]\([^()]{0,2000}\)"), r"\1"),
    (re.compile(r"\[([^\]\[]{1,500})\](\([^()]{0,2000}\)|\[[^\]\[]{0,200}\])"), r"\1"),
    (re.compile(r"<((?:https?|mailto):[^<>\s]{1,2000})>"), r"\1"),
    (re.compile(rf"</?(?:{_TAGS})\b[^<>]{{0,2000}}>", re.IGNORECASE), " "),
    (re.compile(r"(\*\*|__)(?=\S)(.{1,500}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])([*_])(?=\S)(.{1,500}?)(?<=\S)\1(?![\w*])"), r"\2"),
    (re.compile(r"`{1,5}([^`]{1,2000})`{1,5}"), r"\1"),
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
    kind: BlockKind = "paragraph"
    for part, content in _parts(lines):
        line = content[0] if content else ""
        heading = _marked_heading(line) if part == "line" else None
        underline = _UNDERLINE.match(line) if part == "line" and pending and kind == "paragraph" else None
        item = _LIST_ITEM.match(line) if part == "line" else None
        ends = part != "line" or heading or not line.strip() or _RULE.match(line)
        if underline is not None:
            yield from _heading(" ".join(pending), 1 if underline[1][0] == "=" else 2)
            pending = []
            continue
        if ends or item is not None:
            yield from _close(pending, kind)
            pending, kind = [], "paragraph"
        if part == "table":
            yield from _table(content)
        elif part == "code":
            yield from _close(content, "paragraph")
        elif heading is not None:
            yield from _heading(*heading)
        elif item is not None and not ends:
            pending, kind = [line[item.end() :]], "list_item"
        elif not ends:
            pending.append(line.strip().removeprefix(">"))
        if len(line) > UNWRAPPED_CHARACTERS:
            yield from _close(pending, kind)
            pending, kind = [], "paragraph"
    yield from _close(pending, kind)


def _parts(lines: list[str]) -> Iterator[tuple[Literal["line", "code", "table"], list[str]]]:
    """Each line by itself, but the lines of a table and of fenced code together."""
    at = 0
    while at < len(lines):
        begin, line = at, lines[at]
        at += 1
        if _FENCE.match(line):
            while at < len(lines) and not _FENCE.match(lines[at]):
                at += 1
            yield "code", lines[begin + 1 : at]
            at += 1
        elif line.lstrip().startswith("|") or ("|" in line and at < len(lines) and _is_rule(lines[at])):
            while at < len(lines) and "|" in lines[at]:
                at += 1
            yield "table", lines[begin:at]
        else:
            yield "line", [line]


def _is_rule(line: str) -> bool:
    return "|" in line and _TABLE_RULE.match(line) is not None


def _marked_heading(line: str) -> tuple[str, int] | None:
    """Text and level of `## Heading` or `== Heading ==`."""
    marked = _HEADING.match(line)
    if marked is not None:
        return marked[2], len(marked[1])
    titled = wiki_heading(line)
    return (titled.text, titled.level) if titled is not None else None


def _close(pending: list[str], kind: BlockKind) -> Iterator[Block]:
    text = plain(" ".join(pending))
    if text:
        yield Block(kind, text)


def _heading(text: str, level: int) -> Iterator[Block]:
    text = plain(text)
    if text:
        yield Block("heading", text, level=level)


def _table(lines: list[str]) -> Iterator[Block]:
    """The rows of a table, the first of which is its header where a rule follows it."""
    has_header = len(lines) > 1 and _TABLE_RULE.match(lines[1]) is not None
    rows = [_cells(line) for line in lines if not _TABLE_RULE.match(line)]
    yield from table_rows(rows[1:] if has_header else rows, rows[0] if has_header else None)


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [plain(cell) for cell in re.split(r"(?<!\\)\|", inner)]


def plain(text: str) -> str:
    """Text without inline marks."""
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return one_line(text)
