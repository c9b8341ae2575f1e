"""Makes paragraphs, headings, list items and table rows out of the lines of a PDF. Pure. Layer 2.

A PDF knows places and fonts, not paragraphs. What repeats at the edge of most pages is dropped; larger,
bold or lonely short lines are headings; a word divided at the end of a line is made whole; a sentence that
runs over the end of a page belongs to the page it begins on.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from aura_local.retrieval.readers.block import Block, BlockKind, one_line
from aura_local.retrieval.readers.pdf_lines import Line
from aura_local.retrieval.sentences import sentence_spans

_LARGER: Final = 1.06
"""A heading's height over that of the body; fonts of one size differ by up to 3 %."""
_GAP: Final = 1.35
"""Distance that ends a paragraph, over the usual distance of lines."""
_SHORT: Final = 0.75
"""Share of the widest line below which a line that ends a sentence ends a paragraph."""
_LONELY_CHARACTERS: Final = 60
_HEADING_CHARACTERS: Final = 200
_EDGE_LINES: Final = 2
_ENDS_SENTENCE: Final = re.compile(r"[.!?:][\"'”’)]*$")
_BULLET: Final = re.compile(r"([•▪●○◦‣■□✓➢\uf0b7\uf0a7]\s*|[-–*]\s+|\(?(?:\d{1,2}|[a-z])[.)]\s+)(?=\S)")
_SURE_BULLET: Final = "•▪●○◦‣■□✓➢\uf0b7\uf0a7"
_WORDS: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class _Style:
    """What is usual in this document."""

    body_height: float
    line_distance: float
    """Of body lines, in heights."""
    widest: float
    heading_heights: tuple[float, ...]
    """Largest first."""
    words: frozenset[str]


def layout_blocks(lines: Sequence[Line]) -> Iterator[Block]:
    """The blocks of a document; `lines` are those of all its pages in order."""
    lines = list(_rows(_without_edges(lines)))
    if not lines:
        return
    style = _style(lines)
    paragraph: list[Line] = []
    kind: BlockKind = "paragraph"
    for n, line in enumerate(lines):
        above = lines[n - 1] if n else None
        below = lines[n + 1] if n + 1 < len(lines) else None
        level = _heading_level(line, above, below, style)
        if level:
            same = kind == "heading" and above is not None and _continues_heading(above, line, style)
            if not same:
                yield from _close(paragraph, kind, style)
                paragraph, kind = [], "heading"
            paragraph.append(line)
            continue
        if line.cells:
            yield from _close(paragraph, kind, style)
            paragraph, kind = [], "paragraph"
            yield Block("table_row", " | ".join(map(one_line, line.cells)), page=line.page)
            continue
        bullet = _is_bullet(line, paragraph, kind, style)
        if bullet or kind == "heading" or (paragraph and _ends(paragraph[-1], line, style)):
            yield from _close(paragraph, kind, style)
            paragraph, kind = [], "list_item" if bullet else "paragraph"
        paragraph.append(line)
    yield from _close(paragraph, kind, style)


def _without_edges(lines: Sequence[Line]) -> list[Line]:
    """Without running headers, footers and page numbers; one without numbers is kept where it comes first."""
    pages: defaultdict[int, list[Line]] = defaultdict(list)
    for line in lines:
        pages[line.page].append(line)
    edges: Counter[str] = Counter()
    at_edge: set[int] = set()
    for page in pages.values():
        by_place = sorted(page, key=lambda line: line.bottom)
        outer = {id(line): line for line in (*by_place[:_EDGE_LINES], *by_place[-_EDGE_LINES:])}
        at_edge.update(outer)
        edges.update({_pattern(line) for line in outer.values()})
    repeated = {pattern for pattern, count in edges.items() if count >= max(3, 0.5 * len(pages))}
    seen: set[str] = set()
    kept: list[Line] = []
    for line in lines:
        pattern = _pattern(line)
        drop = id(line) in at_edge and pattern in repeated and ("#" in pattern or pattern in seen)
        seen.add(pattern)
        if not drop:
            kept.append(line)
    return kept


def _pattern(line: Line) -> str:
    return re.sub(r"\d+", "#", line.text.casefold())


def _rows(lines: Sequence[Line]) -> Iterator[Line]:
    """Lines, with neighbours on one height made cells of one line."""
    row: list[Line] = []
    for line in lines:
        if row and not (
            line.page == row[-1].page
            and abs(line.bottom - row[-1].bottom) < 0.3 * line.height
            and line.left > row[-1].right
        ):
            yield _row(row)
            row = []
        row.append(line)
    if row:
        yield _row(row)


def _row(row: Sequence[Line]) -> Line:
    first = row[0]
    if len(row) == 1:
        return first
    cells = tuple(cell for line in row for cell in (line.cells or (line.text,)))
    apart = any(b.left - a.right > first.height for a, b in pairwise(row))
    return Line(
        " ".join(line.text for line in row),
        first.page,
        first.height,
        first.left,
        row[-1].right,
        first.bottom,
        all(line.bold for line in row),
        cells if apart else (),
    )


def _style(lines: Sequence[Line]) -> _Style:
    heights: Counter[float] = Counter()
    for line in lines:
        heights[round(line.height, 1)] += len(line.text)
    body = heights.most_common(1)[0][0]
    widest = max(line.right - line.left for line in lines)
    distances = [
        (a.bottom - b.bottom) / body
        for a, b in pairwise(lines)
        if a.page == b.page
        and a.bottom > b.bottom
        and round(a.height, 1) == round(b.height, 1) == body
        and a.right - a.left > _SHORT * widest  # after a short line a paragraph may have ended
    ]
    larger = sorted((height for height in heights if height > _LARGER * body), reverse=True)
    levels: list[float] = []
    for height in larger:
        if not levels or height * _LARGER < levels[-1]:
            levels.append(height)
    return _Style(
        body,
        median(distances) if distances else 1.2,
        widest,
        tuple(levels[:4]),
        frozenset(word for line in lines for word in _WORDS.findall(line.text.casefold())),
    )


def _heading_level(line: Line, above: Line | None, below: Line | None, style: _Style) -> int:
    """1 to 6 for a line that looks like a heading, else 0."""
    if line.cells or len(line.text) > _HEADING_CHARACTERS or not any(c.isalpha() for c in line.text):
        return 0
    if line.height > _LARGER * style.body_height or _is_lonely(line, above, below, style):
        return _level_of(line, style)
    return 0


def _is_lonely(line: Line, above: Line | None, below: Line | None, style: _Style) -> bool:
    """Whether this is a short line of the body's size that stands above text as a heading does."""
    text = line.text
    short = len(text) <= _LONELY_CHARACTERS and line.right - line.left < _SHORT * style.widest
    begins = text[0].isupper() or text[0].isdigit()
    if not short or not begins or text[-1] in ".;,!\xad" or _BULLET.match(text):
        return False
    if below is None or below.page != line.page or below.cells:
        return False
    if above is not None and above.page == line.page and not _is_apart(above, line, style):
        return False
    if line.bold and not below.bold:
        return True
    if line.height < style.body_height / _LARGER or not any(c.islower() for c in below.text):
        return False
    wide_below = below.right - below.left > _SHORT * style.widest
    return (_is_apart(line, below, style) and wide_below) or (text[-1] == ":" and len(text.split()) <= 5)


def _is_apart(above: Line, below: Line, style: _Style) -> bool:
    distance = above.bottom - below.bottom
    usual = style.line_distance * max(style.body_height, min(above.height, below.height))
    return distance > _GAP * usual or distance < -usual


def _continues_heading(above: Line, line: Line, style: _Style) -> bool:
    return (
        above.page == line.page
        and line.height > _LARGER * style.body_height
        and abs(above.height - line.height) < 0.5
        and 0 < above.bottom - line.bottom < 1.6 * line.height
        and not line.text[0].isdigit()
    )


def _is_bullet(line: Line, paragraph: Sequence[Line], kind: BlockKind, style: _Style) -> bool:
    if _BULLET.match(line.text) is None:
        return False
    if line.text[0] in _SURE_BULLET or not paragraph or kind != "paragraph":
        return True
    above = paragraph[-1]  # a dash or number may also stand inside a sentence
    return _ENDS_SENTENCE.search(above.text) is not None or _is_apart(above, line, style)


def _ends(above: Line, line: Line, style: _Style) -> bool:
    """Whether a paragraph ends between these lines."""
    ended = _ENDS_SENTENCE.search(above.text) is not None
    length = above.right - above.left
    runs_on = not ended and line.text[0].islower()
    if above.page != line.page:
        return not (runs_on or (not ended and length > _SHORT * style.widest))
    if runs_on and (length > 0.6 * style.widest or above.text[-1] == "\xad"):
        return False
    if _is_apart(above, line, style) or not 0.9 < above.height / line.height < 1.1:
        return True
    return ended and length < _SHORT * style.widest


def _close(lines: Sequence[Line], kind: BlockKind, style: _Style) -> Iterator[Block]:
    if not lines:
        return
    if kind == "heading":
        level = _level_of(lines[0], style)
        heading = one_line(" ".join(line.text for line in lines))
        yield Block("heading", heading, level=level, page=lines[0].page)
        return
    text, page = "", lines[0].page
    for line in lines:
        boundary = len(text)
        text = _joined(text, line.text, style.words)
        if line.page == page:
            continue
        whole = one_line(text)
        end = next((end for start, end in sentence_spans(whole) if end > boundary), len(whole))
        if end < len(whole) or _ENDS_SENTENCE.search(whole):  # the sentence of the page before is complete
            yield from _block(kind, whole[:end], page)
            text, page, kind = whole[end:].strip(), line.page, "paragraph"
    yield from _block(kind, text, page)


def _level_of(line: Line, style: _Style) -> int:
    for n, height in enumerate(style.heading_heights, 1):
        if line.height * _LARGER > height:
            return n
    return min(6, len(style.heading_heights) + (1 if line.bold else 2))


def _block(kind: BlockKind, text: str, page: int) -> Iterator[Block]:
    text = one_line(text.replace("\xad", ""))
    if kind == "list_item":
        text = _BULLET.sub("", text, count=1)
    if text:
        yield Block(kind, text, page=page)


def _joined(text: str, line: str, words: frozenset[str]) -> str:
    """Both, with a word that a hyphen divides between them made whole."""
    if not text:
        return line
    if not re.search(r"[^\W\d_]-$|\xad$", text):
        # After a digit or a dash of its own the hyphen is no division.
        return text + line if re.search(r"\w-$", text) and line[0].islower() else f"{text} {line}"
    left = re.search(r"[^\W\d_]+(?:-[^\W\d_]+)*$", text[:-1])
    right = _WORDS.match(line)
    if left is None or right is None:
        return f"{text[:-1]}-{line}"
    first, second = left[0].casefold(), right[0].casefold()
    if first + second in words:
        return text[:-1] + line
    compound = f"{first}-{second}" in words or "-" in first or "-" in second or not line[0].islower()
    return f"{text[:-1]}-{line}" if compound else text[:-1] + line
