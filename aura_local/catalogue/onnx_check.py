"""Whether a file is one whole ONNX model that needs no other file. Layer 2.

A tensor may lie in another file, whose path the model names: such a model could read any file of this
machine into its weights. ONNX is a protocol buffer; this walks its fields by their lengths and
parses nothing else. Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aura_local.errors import ModelDamaged

_DEPTH: Final = 12
"""Graphs inside nodes inside graphs; real models have two or three."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FUNCTIONS, _GRAPH = 25, 7  # of ModelProto
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15  # of GraphProto
_ATTRIBUTE = 5  # of NodeProto
_FUNCTION_NODE, _FUNCTION_DEFAULT = 7, 11  # of FunctionProto: a node, an attribute's default
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = frozenset({5, 10}), frozenset({6, 11})
_ATTRIBUTE_SPARSE = frozenset({22, 23})
_EXTERNAL, _LOCATION = 13, 14  # of TensorProto


MOST_FIELDS: Final = 600_000
"""Of one model: walked in about 2 s. The voice that ships has 4,300."""


@dataclass(slots=True)
class _Walk:
    """A walk through one file."""

    name: str
    fields_left: int = MOST_FIELDS


def refuse_unsafe_onnx(path: Path) -> None:
    """Raises `ModelDamaged` for what is no whole ONNX model, or for one that reads other files. Blocks."""
    try:
        with path.open("rb") as file:
            # Unmapped when the last view of it is gone: a refusal's traceback may hold some.
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        _model(memoryview(data), _Walk(path.name))
    except (OSError, ValueError) as error:  # ValueError: an empty file
        raise ModelDamaged(f"{path.name} is not a whole ONNX model.") from error


def looks_like_onnx(head: bytes) -> bool:
    """Whether the first bytes begin a ModelProto: `ir_version`, a small number."""
    return len(head) > 1 and head[0] == 0x08 and 0 < head[1] < 0x20


def _model(view: memoryview, walk: _Walk) -> None:
    graphs = 0
    for number, content in _fields(view, walk):
        if number == _GRAPH and content is not None:
            graphs += 1
            _graph(content, walk, 0)
        elif number == _FUNCTIONS and content is not None:
            for inner, node in _fields(content, walk):
                if inner == _FUNCTION_NODE and node is not None:
                    _node(node, walk, 1)
                elif inner == _FUNCTION_DEFAULT and node is not None:
                    _attribute(node, walk, 1)
    if graphs != 1:
        raise ModelDamaged(f"{walk.name} is not a whole ONNX model: it has no graph.")


def _graph(view: memoryview, walk: _Walk, depth: int) -> None:
    if depth > _DEPTH:
        raise ModelDamaged(f"{walk.name} is not a whole ONNX model: its graphs are nested too deeply.")
    for number, content in _fields(view, walk):
        if content is None:
            continue
        if number == _INITIALIZER:
            _tensor(content, walk)
        elif number == _SPARSE:
            _sparse(content, walk)
        elif number == _NODE:
            _node(content, walk, depth)


def _node(view: memoryview, walk: _Walk, depth: int) -> None:
    for number, attribute in _fields(view, walk):
        if number == _ATTRIBUTE and attribute is not None:
            _attribute(attribute, walk, depth)


def _attribute(view: memoryview, walk: _Walk, depth: int) -> None:
    for number, content in _fields(view, walk):
        if content is None:
            continue
        if number in _ATTRIBUTE_TENSORS:
            _tensor(content, walk)
        elif number in _ATTRIBUTE_SPARSE:
            _sparse(content, walk)
        elif number in _ATTRIBUTE_GRAPHS:
            _graph(content, walk, depth + 1)


def _sparse(view: memoryview, walk: _Walk) -> None:
    """Values and indices are tensors."""
    for _, tensor in _fields(view, walk):
        if tensor is not None:
            _tensor(tensor, walk)


def _tensor(view: memoryview, walk: _Walk) -> None:
    for number, content in _fields(view, walk):
        if number == _EXTERNAL or (number == _LOCATION and content is None):
            raise ModelDamaged(f"{walk.name} keeps weights in other files, which is not allowed.")


def _fields(view: memoryview, walk: _Walk) -> Iterator[tuple[int, memoryview | None]]:
    """Number and content of every field; None for numbers. A location of 0 is the default and left out."""
    place, end = 0, len(view)
    while place < end:
        walk.fields_left -= 1
        if walk.fields_left < 0:
            raise ModelDamaged(f"{walk.name} is not a whole ONNX model: it has more parts than any should.")
        tag, place = _varint(view, place, walk)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, place = _varint(view, place, walk)
            if value:
                yield number, None
            continue
        if kind == _BYTES:
            length, place = _varint(view, place, walk)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(kind, end + 1)
        if length > end - place:
            raise ModelDamaged(f"{walk.name} is not a whole ONNX model: its end is missing.")
        if kind == _BYTES:
            yield number, view[place : place + length]
        place += length


def _varint(view: memoryview, place: int, walk: _Walk) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(view[place : place + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return value, place + index + 1
    raise ModelDamaged(f"{walk.name} is not a whole ONNX model: a number has no end.")
