"""Hand-made sets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def line(number: int, **fields: Any) -> dict[str, Any]:
    """A line of questions.jsonl; fields replace those of a good question about `docs/hours.md`."""
    good: dict[str, Any] = {
        "id": f"q{number}",
        "type": "plain",
        "question": "When does the museum open?",
        "doc": "docs/hours.md",
        "gold": [{"text": "The museum opens at nine."}],
    }
    return good | fields


def write_set(folder: Path, lines: Sequence[Mapping[str, Any]], documents: Mapping[str, str]) -> Path:
    (folder / "docs").mkdir(parents=True)
    for name, text in documents.items():
        (folder / "docs" / name).write_text(text, encoding="utf-8")
    text = "".join(json.dumps(one) + "\n" for one in lines)
    (folder / "questions.jsonl").write_text(text, encoding="utf-8")
    return folder
