"""Small models for the tests, and the catalogue entries of what a test hub has."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.sources import PINNED
from tests.support.model_hub import REPOSITORY, REVISION

CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
GOOD_KEYS: Mapping[str, Any] = {
    "general.architecture": "qwen2",
    "general.name": "Tiny",
    "qwen2.context_length": 4096,
    "tokenizer.chat_template": CHATML,
    "tokenizer.ggml.tokens": ["one", "two"] * 50,
}


def gguf(
    keys: Mapping[str, Any] = GOOD_KEYS,
    *,
    version: int = 3,
    tensors: int | None = None,
    key_count: int | None = None,
    shape: tuple[int, ...] = (32, 4),
    kind: int = 0,
    offset: int = 0,
    data_bytes: int = 512,
) -> bytes:
    """A GGUF with one tensor; the keyword arguments make it lie."""
    count = len(keys) if key_count is None else key_count
    head = b"GGUF" + struct.pack("<IQQ", version, 1 if tensors is None else tensors, count)
    for name, value in keys.items():
        head += _text(name) + _value(value)
    head += _text("token_embd.weight") + struct.pack("<I", len(shape))
    head += b"".join(struct.pack("<Q", length) for length in shape) + struct.pack("<IQ", kind, offset)
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + bytes(data_bytes)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
    return bytes(value)


def hub_fields(name: str, files: Mapping[str, bytes], **fields: Any) -> dict[str, Any]:
    """The fields of an entry whose files a test hub has; those in `pinned` have no stated digest."""
    pinned = fields.pop("pinned", ())
    return {
        "name": name,
        "job": "embedder",
        "engine": "minilm",
        "description": "For these tests",
        "licence": "MIT",
        "languages": ["en"],
        "memory_bytes": 1,
        "synthetic": False,
        "source": {"kind": "hub", "repository": REPOSITORY, "revision": REVISION},
        "files": [
            {"name": path, "sha256": PINNED}
            if path in pinned
            else {"name": path, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for path, data in files.items()
        ],
    } | fields


def hub_entry(name: str, files: Mapping[str, bytes], **fields: Any) -> ModelEntry:
    return ModelEntry.model_validate(hub_fields(name, files, **fields))


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
