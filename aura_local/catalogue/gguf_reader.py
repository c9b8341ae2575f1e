"""Reads the head of a GGUF file: its keys and its list of tensors, within bounds. Layer 2.

Pure Python over bytes of a file that nobody vouches for: every count and length is checked against what
the file holds before anything is read by it. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from aura_local.errors import ModelDamaged

HEAD_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""The largest vocabularies take some ten MiB."""
MOST_KEYS: Final = 10_000
MOST_TENSORS: Final = 100_000
MOST_TEXT_BYTES: Final = 1024 * 1024
"""Of one value; chat templates have some thousands."""
MOST_NAME_BYTES: Final = 63
"""Of a tensor: ggml keeps 64 with the end (ggml.h, `GGML_MAX_NAME`)."""
MOST_TEXTS: Final = 2_000_000
"""Of all arrays together: read in about 2 s. The largest vocabularies and their merges have 800,000."""
KEPT_ITEMS: Final = 64
"""Arrays that are longer, such as vocabularies, are passed over."""

_TEXT, _ARRAY = 8, 9
_NUMBERS: Final = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip

_BLOCKS: Final[Mapping[int, tuple[int, int]]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
    22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    29: (256, 56), 30: (1, 2),
}  # fmt: skip
"""By ggml's number of the type: values in a block, and its bytes (ggml.c, `type_traits`)."""


@dataclass(frozen=True, slots=True)
class GgufHead:
    """`keys` holds numbers, texts and short arrays (as tuples); longer arrays are None."""

    keys: Mapping[str, Any]
    tensors: int
    size_bytes: int
    values: int
    """Of all tensors together: the model's parameters."""
    bytes_of_types: Mapping[int, int]
    """How much of the weights is of which of ggml's types."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    kind: int
    values: int
    offset_bytes: int
    length_bytes: int


def read_head(path: Path) -> GgufHead:
    """Raises `ModelDamaged` for whatever is not a whole GGUF file; blocks for about 0.2 s."""
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            return _Reader(file, size_bytes, path.name).head()
    except OSError as error:
        raise ModelDamaged(f"{path.name} cannot be read: {error.strerror}.") from error


class _Reader:
    def __init__(self, file: BinaryIO, size_bytes: int, name: str) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self._left = min(size_bytes, HEAD_LIMIT_BYTES)
        self._texts_left = MOST_TEXTS
        self._name = name

    def head(self) -> GgufHead:
        if self._take(4) != b"GGUF":
            raise self._damaged("it does not begin like one")
        version = self._number("<I")
        if version not in (2, 3):
            raise self._damaged(f"version {version} of the format is not known")
        tensors, keys = self._number("<Q"), self._number("<Q")
        if not 0 < tensors <= MOST_TENSORS or keys > MOST_KEYS:
            raise self._damaged(f"it claims {tensors} tensors and {keys} keys")
        found: dict[str, Any] = {}
        for _ in range(keys):
            key = self._text()
            if key in found:
                raise self._damaged("a key occurs twice")
            found[key] = self._value(self._number("<I"))
        weights = [self._tensor() for _ in range(tensors)]
        self._refuse_wrong_places(weights, found.get("general.alignment", 32))
        bytes_of_types: dict[int, int] = {}
        for weight in weights:
            bytes_of_types[weight.kind] = bytes_of_types.get(weight.kind, 0) + weight.length_bytes
        values = sum(weight.values for weight in weights)
        return GgufHead(found, tensors, self._size_bytes, values, bytes_of_types)

    def _refuse_wrong_places(self, weights: list[_Tensor], alignment: Any) -> None:
        power_of_two = (
            isinstance(alignment, int) and 0 < alignment <= 65536 and not alignment & (alignment - 1)
        )
        if not power_of_two:
            raise self._damaged("its alignment is no power of two")
        if len({weight.name for weight in weights}) != len(weights):
            raise self._damaged("two tensors have one name")
        begin = -(-self._file.tell() // alignment) * alignment
        end = 0
        for weight in sorted(weights, key=lambda weight: weight.offset_bytes):
            if weight.offset_bytes % alignment:
                raise self._damaged("a tensor is not aligned")
            if weight.offset_bytes < end:
                raise self._damaged("two tensors overlap")
            end = weight.offset_bytes + weight.length_bytes
        if begin + end > self._size_bytes:
            raise self._damaged("its end is missing")

    def _tensor(self) -> _Tensor:
        name = self._text()
        if len(name.encode()) > MOST_NAME_BYTES:
            raise self._damaged("a tensor's name is longer than any may be")
        dimensions = self._number("<I")
        if not 1 <= dimensions <= 4:
            raise self._damaged(f"a tensor has {dimensions} dimensions")
        shape = [self._number("<Q") for _ in range(dimensions)]
        kind, offset = self._number("<I"), self._number("<Q")
        values = math.prod(shape)
        if not 0 < values < 2**48:
            raise self._damaged("a tensor has an impossible shape")
        if kind not in _BLOCKS:
            raise self._damaged(f"a tensor has the unknown type {kind}")
        block, block_bytes = _BLOCKS[kind]
        if shape[0] % block:
            raise self._damaged("a tensor does not fill its blocks")
        return _Tensor(name, kind, values, offset, values // block * block_bytes)

    def _value(self, kind: int) -> Any:
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        if kind == _TEXT:
            return self._text()
        if kind == _ARRAY:
            return self._array()
        raise self._damaged(f"a value has the unknown type {kind}")

    def _array(self) -> tuple[Any, ...] | None:
        kind, count = self._number("<I"), self._number("<Q")
        if kind in _NUMBERS:
            form = _NUMBERS[kind]
            if count * struct.calcsize(form) > self._left:
                raise self._damaged("an array is longer than the file")
            data = self._take(count * struct.calcsize(form))
            return (
                tuple(value for (value,) in struct.iter_unpack(form, data)) if count <= KEPT_ITEMS else None
            )
        if kind != _TEXT:
            raise self._damaged("an array holds what no array may")
        if count * 8 > self._left:
            raise self._damaged("an array is longer than the file")
        self._texts_left -= count
        if self._texts_left < 0:
            raise self._damaged("its vocabulary is larger than any should be")
        if count <= KEPT_ITEMS:
            return tuple(self._text() for _ in range(count))
        for _ in range(count):
            self._take(self._number("<Q"))
        return None

    def _text(self) -> str:
        length = self._number("<Q")
        if length > MOST_TEXT_BYTES:
            raise self._damaged("a text is longer than any should be")
        try:
            return self._take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._damaged("a text is no text") from error

    def _number(self, form: str) -> Any:
        (value,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return value

    def _take(self, count: int) -> bytes:
        if count > self._left:
            raise self._damaged("its end is missing")
        data = self._file.read(count)
        if len(data) != count:
            raise self._damaged("its end is missing")
        self._left -= count
        return data

    def _damaged(self, reason: str) -> ModelDamaged:
        return ModelDamaged(f"{self._name} is not a whole GGUF file: {reason}.")
