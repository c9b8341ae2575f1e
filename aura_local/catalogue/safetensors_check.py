"""Whether a file is one whole safetensors file. Layer 2.

Unlike a pickle it holds numbers alone: 8 bytes with the length of a JSON table, the table, the weights.
Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from aura_local.catalogue.model_tables import all_whole
from aura_local.errors import ModelDamaged

TABLE_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""A model of a thousand tensors has about 100 kB."""

_VALUE_BYTES: Final[Mapping[str, int]] = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor by name. Raises `ModelDamaged` for what is no whole safetensors file."""
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            table, begin = _table(file, size_bytes, path.name)
    except OSError as error:
        raise ModelDamaged(f"{path.name} cannot be read: {error.strerror}.") from error
    places: list[tuple[int, int]] = []
    shapes: dict[str, tuple[int, ...]] = {}
    for name, tensor in table.items():
        if name != "__metadata__":
            shapes[name], place = _tensor(tensor, path.name)
            places.append(place)
    end = 0
    for first, last in sorted(places):
        if first != end:
            raise _damaged(path.name, "its tensors overlap or leave gaps")
        end = last
    if begin + end != size_bytes:
        raise _damaged(path.name, "its length is not what its table says")
    if not shapes:
        raise _damaged(path.name, "it has no tensors")
    return shapes


def _table(file: BinaryIO, size_bytes: int, name: str) -> tuple[dict[str, Any], int]:
    head = file.read(8)
    if len(head) != 8:
        raise _damaged(name, "its end is missing")
    (length,) = struct.unpack("<Q", head)
    if not 2 <= length <= min(TABLE_LIMIT_BYTES, size_bytes - 8):
        raise _damaged(name, f"it claims a table of {length} bytes")
    try:
        table = json.loads(file.read(length), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _damaged(name, "its table is no JSON") from error
    if not isinstance(table, dict):
        raise _damaged(name, "its table is no object")
    return table, 8 + length


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name occurs twice")
    return table


def _tensor(tensor: Any, name: str) -> tuple[tuple[int, ...], tuple[int, int]]:
    fields = tensor if isinstance(tensor, dict) else {}
    shape, place, kind = fields.get("shape"), fields.get("data_offsets"), fields.get("dtype")
    if (
        not isinstance(shape, list)
        or not isinstance(place, list)
        or len(shape) > 8
        or len(place) != 2
        or not all_whole([*shape, *place], 0, 2**48)
    ):
        raise _damaged(name, "a tensor has an impossible shape")
    if not isinstance(kind, str) or kind not in _VALUE_BYTES:
        raise _damaged(name, "a tensor has an unknown type")
    if place[1] - place[0] != math.prod(shape) * _VALUE_BYTES[kind]:
        raise _damaged(name, "a tensor's length does not fit its shape")
    return tuple(shape), (place[0], place[1])


def _damaged(name: str, reason: str) -> ModelDamaged:
    return ModelDamaged(f"{name} is not a whole safetensors file: {reason}.")
