"""Whether a `model.bin` is a whole CTranslate2 model, and of which kind. Layer 2.

Format: the writer in ctranslate2's `specs/model_spec.py`, binary versions 5 and 6.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from aura_local.errors import ModelDamaged

WHISPER: Final = "WhisperSpec"
ENCODER: Final = "TransformerEncoderSpec"
"""Of embedders."""
VERSIONS: Final = (5, 6)
MOST_VARIABLES: Final = 100_000

_VALUE_BYTES: Final = {0: 4, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2}
"""By CTranslate2's number of the type: float32, int8, int16, int32, float16, bfloat16."""

_TYPE_NAMES: Final = {0: "float32", 1: "int8", 2: "int16", 3: "int32", 4: "float16", 5: "bfloat16"}


@dataclass(frozen=True, slots=True)
class Ctranslate2Model:
    """What a `model.bin` says of itself."""

    kind: str
    """The name of its specification, e.g. `WhisperSpec`."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of every variable, by name."""
    parameters: int
    quantisation: str
    """The type of most of its weights, e.g. `int8`."""


def looks_like_ctranslate2(head: bytes) -> bool:
    """Whether the first bytes begin one: a version, and a name that ends in `Spec`."""
    if len(head) < 12:
        return False
    version, length = struct.unpack_from("<IH", head)
    return version in VERSIONS and 4 < length < 100 and b"Spec\0" in head[6 : 6 + length]


def read_model(path: Path) -> Ctranslate2Model:
    """Walk through the file; the weights are passed over. Raises `ModelDamaged` for what is not whole."""
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            model = _walk(file, size_bytes, path.name)
            if file.tell() != size_bytes:
                raise _damaged(path.name, "something follows its end")
    except OSError as error:
        raise ModelDamaged(f"{path.name} cannot be read: {error.strerror}.") from error
    return model


def _walk(file: BinaryIO, size_bytes: int, name: str) -> Ctranslate2Model:
    version = _number(file, "<I", name)
    if version not in VERSIONS:
        raise _damaged(name, f"version {version} of the format is not known")
    kind = _text(file, name)
    _number(file, "<I", name)  # revision of the specification
    variables = _number(file, "<I", name)
    if not 0 < variables <= MOST_VARIABLES:
        raise _damaged(name, f"it claims {variables} variables")
    shapes: dict[str, tuple[int, ...]] = {}
    bytes_of_types = dict.fromkeys(_VALUE_BYTES, 0)
    for _ in range(variables):
        variable = _text(file, name)
        if variable in shapes:
            raise _damaged(name, "two variables have one name")
        rank = _number(file, "<B", name)
        if rank > 8:
            raise _damaged(name, f"a variable has {rank} dimensions")
        shape = tuple(_number(file, "<I", name) for _ in range(rank))
        value_kind, length = _number(file, "<B", name), _number(file, "<I", name)
        if value_kind not in _VALUE_BYTES:
            raise _damaged(name, f"a variable has the unknown type {value_kind}")
        if length != math.prod(shape) * _VALUE_BYTES[value_kind]:
            raise _damaged(name, "a variable's length does not fit its shape")
        if length > size_bytes - file.tell():
            raise _damaged(name, "its end is missing")
        shapes[variable] = shape
        bytes_of_types[value_kind] += length
        file.seek(length, 1)
    aliases = _number(file, "<I", name)
    if aliases > MOST_VARIABLES:
        raise _damaged(name, f"it claims {aliases} aliases")
    for _ in range(aliases):
        _text(file, name)
        if _text(file, name) not in shapes:
            raise _damaged(name, "an alias is of no variable")
    return Ctranslate2Model(
        kind=kind,
        shapes=shapes,
        parameters=sum(math.prod(shape) for shape in shapes.values() if len(shape) > 1),
        quantisation=_TYPE_NAMES[max(bytes_of_types, key=lambda kind: bytes_of_types[kind])],
    )


def _text(file: BinaryIO, name: str) -> str:
    text = _take(file, _number(file, "<H", name), name)
    return text.rstrip(b"\0").decode("utf-8", errors="replace")


def _number(file: BinaryIO, form: str, name: str) -> int:
    (value,) = struct.unpack(form, _take(file, struct.calcsize(form), name))
    return int(value)


def _take(file: BinaryIO, count: int, name: str) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise _damaged(name, "its end is missing")
    return data


def _damaged(name: str, reason: str) -> ModelDamaged:
    return ModelDamaged(f"{name} is not a whole CTranslate2 model: {reason}.")
