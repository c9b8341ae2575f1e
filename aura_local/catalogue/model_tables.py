"""Reads the small files beside weights: configurations, vocabularies, tokenizers, within bounds. Layer 2.

What they say is used by native code as an index into the weights, which checks nothing; so it is compared
with the weights' shapes here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from aura_local.errors import ModelDamaged

CONFIGURATION_LIMIT_BYTES: Final = 1024 * 1024
"""Real ones have some thousands."""
TABLE_LIMIT_BYTES: Final = 32 * 1024 * 1024
"""Of a tokenizer or a vocabulary; the largest known tokenizer has 17 MB."""
MOST_NESTED: Final = 1_500_000
"""Lists and objects in one file: they take 64 bytes each when read, and two in the file."""


def read_head(path: Path, size_bytes: int = 128) -> bytes:
    """The first bytes of a file. Raises `ModelDamaged` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size_bytes)
    except OSError as error:
        raise ModelDamaged(f"{path.name} cannot be read: {error.strerror}.") from error


def read_text(path: Path, limit_bytes: int = TABLE_LIMIT_BYTES) -> str:
    """The file as UTF-8, damaged characters replaced. Raises `ModelDamaged` beyond the limit."""
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as error:
        raise ModelDamaged(f"{path.name} cannot be read: {error.strerror}.") from error
    if len(data) > limit_bytes:
        raise ModelDamaged(f"{path.name} is larger than any such file of a model should be.")
    return data.decode("utf-8", errors="replace")


def json_object(path: Path, limit_bytes: int = CONFIGURATION_LIMIT_BYTES) -> dict[str, Any]:
    """The object in a file. Raises `ModelDamaged` for anything else."""
    value = _json(path, limit_bytes)
    if not isinstance(value, dict):
        raise ModelDamaged(f"{path.name} is damaged: it is no JSON object.")
    return value


def words_of(vocabulary: Path) -> int:
    """How many words a `vocabulary.txt` or `vocabulary.json` has. Raises `ModelDamaged`."""
    if vocabulary.suffix == ".txt":
        return len(read_text(vocabulary).splitlines())
    value = _json(vocabulary, TABLE_LIMIT_BYTES)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ModelDamaged(f"{vocabulary.name} is damaged: it is no list of words.")
    return len(value)


def largest_token(tokenizer: Path) -> int:
    """The largest id that a `tokenizer.json` can give out. Raises `ModelDamaged` for what is no tokenizer."""
    table = json_object(tokenizer, TABLE_LIMIT_BYTES)
    model, added = table.get("model"), table.get("added_tokens", [])
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    ids: list[Any]
    if isinstance(vocabulary, dict):
        ids = list(vocabulary.values())
    elif isinstance(vocabulary, list):  # Unigram: the place in the list is the id
        ids = [len(vocabulary) - 1]
    else:
        ids = []
    if isinstance(added, list):
        ids += [token.get("id") if isinstance(token, dict) else None for token in added]
    if not ids or not all_whole(ids, 0, 2**31 - 1):
        raise ModelDamaged(f"{tokenizer.name} is damaged: it is no tokenizer.")
    return int(max(ids))


def all_whole(values: Iterable[Any], least: int, most: int) -> bool:
    """Whether all are whole numbers from `least` to `most`."""
    return all(type(value) is int and least <= value <= most for value in values)


def _json(path: Path, limit_bytes: int) -> Any:
    text = read_text(path, limit_bytes)
    if text.count("[") + text.count("{") > MOST_NESTED:
        raise ModelDamaged(f"{path.name} is damaged: it holds more lists than any such file.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelDamaged(f"{path.name} is damaged: it is no JSON.") from error
