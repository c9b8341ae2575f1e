"""Logging: one line per event, plain or JSON, without anything that people said or wrote. Layer 0.

A message is a constant sentence. What varies goes into `extra`:

    log.info("document indexed", extra={"passages": 12, "private": {"name": name}})

Counts, ids, durations and codes are always written. What is in `private` (speech, prompts, names, document
text) is dropped unless the level is debug and the operator opted in. Of an exception the type and the
places it passed through are written; its text only when it is an `AuraError`, whose messages are free of
private data by contract.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from traceback import StackSummary, extract_tb
from typing import Final, TextIO

from aura_local.errors import AuraError

LOUD_LIBRARIES: Final = ("uvicorn", "chromadb", "httpx", "httpcore", "faster_whisper", "piper", "asyncio")
"""Their own debug and info lines may hold addresses, paths or text; only warnings pass."""


_NOT_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "private", "color_message",
}  # fmt: skip
"""Attributes of a record that are not from `extra`, or not to be written as they are."""


def configure_logging(
    level: str, *, json_lines: bool = False, show_private: bool = False, stream: TextIO | None = None
) -> None:
    """Write all log records of at least `level` to `stream` (standard error). Replaces earlier set-ups.

    `show_private` opts in to private values; it has no effect above the level debug.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter(json_lines, show_private and level == "debug"))
    root = logging.getLogger()
    for earlier in list(root.handlers):
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in LOUD_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class LineFormatter(logging.Formatter):
    """One record, one line; written plain for people or as JSON for machines."""

    def __init__(self, json_lines: bool, show_private: bool) -> None:
        super().__init__()
        self._json_lines = json_lines
        self._show_private = show_private

    def format(self, record: logging.LogRecord) -> str:
        values = {name: value for name, value in vars(record).items() if name not in _NOT_FIELDS}
        if self._show_private:
            values |= getattr(record, "private", None) or {}
        if record.exc_info and record.exc_info[1] is not None:
            values |= describe_exception(record.exc_info[1], show_text=self._show_private)
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        if self._json_lines:
            head = {"time": moment, "level": record.levelname.lower(), "logger": record.name}
            line = head | {"message": record.getMessage()} | values
            return json.dumps(line, ensure_ascii=False, default=str)
        details = "".join(f" {name}={_plain(value)}" for name, value in values.items())
        return f"{moment} {record.levelname.lower():7} {record.name}: {_plain(record.getMessage())}{details}"


def describe_exception(error: BaseException, *, show_text: bool) -> dict[str, str]:
    """Type, places and, if it may be shown, text of an exception and of what caused it."""
    described: dict[str, str] = {"error": _headline(error, show_text), "places": _places(error)}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        described["cause"] = _headline(cause, show_text)
        described["cause_places"] = _places(cause)
    if isinstance(error, BaseExceptionGroup):
        described["inside"] = "; ".join(_headline(inner, show_text) for inner in error.exceptions)
    return described


def _headline(error: BaseException, show_text: bool) -> str:
    name = type(error).__qualname__
    return f"{name}: {error}" if show_text or isinstance(error, AuraError) else name


def _places(error: BaseException) -> str:
    """File names, line numbers and functions only: source lines may hold literals, locals hold speech."""
    frames: StackSummary = extract_tb(error.__traceback__)
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)


def _plain(value: object) -> str:
    """No value can begin a line of its own."""
    return str(value).replace("\r", "\\r").replace("\n", "\\n")
