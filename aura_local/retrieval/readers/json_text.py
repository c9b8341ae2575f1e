"""Reads JSON and JSON lines: lists of records as table rows, all else by the names of keys. Layer 2."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from aura_local.errors import DocumentUnreadable
from aura_local.retrieval.readers.block import Block, Reading, one_line
from aura_local.retrieval.readers.table import sheet_blocks

DEPTH_LIMIT: Final = 64
_TOO_DEEP: Final = f"The JSON is nested more than {DEPTH_LIMIT} levels deep."
_TITLES: Final = ("title", "name", "heading", "question", "id")


def read_json(text: str) -> Reading:
    value = _parsed(text)
    named = value.get("title") if isinstance(value, dict) else None
    return Reading(one_line(named) if isinstance(named, str) else "", _blocks(value), [])


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise DocumentUnreadable(_TOO_DEEP) from error
    except ValueError as error:
        records = _lines(text)
        if records is None:
            line = getattr(error, "lineno", 1)
            raise DocumentUnreadable(f"The file is not valid JSON (line {line}).") from error
        return records


def _lines(text: str) -> list[Any] | None:
    """One value per line, or None where a line is none, or there are fewer than two."""
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        return [json.loads(line) for line in lines] if len(lines) > 1 else None
    except RecursionError as error:
        raise DocumentUnreadable(_TOO_DEEP) from error
    except ValueError:
        return None


def _blocks(root: Any) -> Iterator[Block]:
    """Depth first, with a stack of iterators: (name, value, level) of what is still to come."""
    stack: list[Iterator[tuple[str, Any]]] = [iter([("", root)])]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        name, value = entry
        if len(stack) > DEPTH_LIMIT:
            raise DocumentUnreadable(_TOO_DEEP)
        if not isinstance(value, dict | list):
            text = _shown(value)
            if text:
                yield Block("paragraph" if name else "list_item", f"{name}: {text}" if name else text)
            continue
        level = min(6, max(1, len(stack) - 1))
        if name and value:
            yield Block("heading", name, level=level)
        if isinstance(value, dict):
            # Plain values first: below the heading of an inner object they would seem to belong to that.
            entries = sorted(value.items(), key=lambda item: isinstance(item[1], dict | list))
            stack.append(iter([(one_line(key), inner) for key, inner in entries]))
        elif _is_table(value):
            yield from sheet_blocks(_rows(value), level=min(6, level + 1), has_header=True)
        else:
            stack.append(iter([(_title(inner, number), inner) for number, inner in enumerate(value, 1)]))


def _is_table(value: list[Any]) -> bool:
    return bool(value) and all(
        isinstance(record, dict) and not any(isinstance(cell, dict | list) for cell in record.values())
        for record in value
    )


def _rows(records: list[dict[str, Any]]) -> Iterator[Sequence[str]]:
    names = list(dict.fromkeys(name for record in records for name in record))
    yield names
    for record in records:
        yield [_shown(record.get(name)) for name in names]


def _title(value: Any, number: int) -> str:
    """What a member of a list is called: by one of its own fields, else by its number."""
    if not isinstance(value, dict | list):
        return ""
    if isinstance(value, dict):
        for key in _TITLES:
            if isinstance(value.get(key), str) and value[key].strip():
                return one_line(value[key])[:200]
    return str(number)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.strip() if isinstance(value, str) else str(value)
