"""The documentation as its tests see it: pages, fenced blocks, headings and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
"""Pages whose examples are tested."""

READMES: Final = tuple(
    path
    for path in sorted(ROOT.glob("*/**/README.md"))
    if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(ROOT).parts)
)
"""Pages beside the code; their links are tested as well."""

_FENCE: Final = re.compile(r"^```(\w*)[ ]?(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its page, language, what stands behind the language, and its text."""

    page: str
    line: int
    language: str
    mark: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(language: str) -> list[Block]:
    """The fenced blocks of a language on all `PAGES`."""
    found = []
    for path in PAGES:
        content = path.read_text(encoding="utf-8")
        for match in _FENCE.finditer(content):
            if match[1] == language:
                line = content.count("\n", 0, match.start()) + 1
                found.append(Block(path.name, line, match[1], match[2], match[3]))
    return found


def prose(path: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def links(path: Path) -> list[str]:
    """Targets of the links and pictures of a page."""
    return _LINK.findall(prose(path))


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes from a page's headings."""
    return {_anchor(heading) for heading in _HEADING.findall(prose(path))}


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.lower().replace("`", ""))
    return kept.strip().replace(" ", "-")


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of all table rows in a section of `docs/<page>`, without the tables' heads and backquotes."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    match = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^\1 |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match is not None, f"{page} has no section {heading}"
    return list(_rows(match[2]))


def _rows(text: str) -> Iterator[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for index, line in enumerate(lines):
        rule = set(line) <= set("|-: ")
        head = index + 1 < len(lines) and set(lines[index + 1]) <= set("|-: ")
        if not rule and not head:
            yield [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
