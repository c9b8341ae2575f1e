"""What a bundle says about itself, as a value; every field is checked before anything uses it. Layer 4.

Standard library and `aura_local.errors` only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aura_local.bundle.layout import (
    BOOTSTRAP_LIMIT_BYTES,
    FILE_LIMIT_BYTES,
    FILES_LIMIT,
    canonical,
    damaged,
)

FORMAT: Final = 1
PRODUCT: Final = "aura-local"
FOLDERS: Final[Mapping[str, str]] = {
    "wheel": "wheels",
    "model": "models",
    "record": "records",
    "catalogue": "catalogues",
    "document": "documentation",
    "licence": "licences",
    "bill_of_materials": "bill_of_materials",
}
"""Each kind of file is in a folder of its own."""

_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@=-]{0,127}")
_RECORDS: Final = frozenset({"catalogue.toml", "pins.json", "licences.json"})
"""Lie beside the models in a data folder, so that no model may be called so."""
_NAME_CHARACTERS: Final = 240
_DEPTH: Final = 8
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_TEXTS: Final = {
    "version": re.compile(r"[0-9][0-9A-Za-z.+-]{0,39}"),
    "created": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z"),
    "platform": re.compile(r"[a-z0-9]{1,20}-[a-z0-9_]{1,20}"),
    "python": re.compile(r"cp3[0-9]{1,3}"),
    "profile": re.compile(r"[a-z][a-z0-9_-]{0,39}"),
}


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file. `offset` counts from the first byte behind the manifest; None: it is in the base alone."""

    name: str
    kind: str
    size_bytes: int
    sha256: str
    offset: int | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """`serial` is the second of its creation (Unix time) and orders bundles. `base` is the SHA-256 of the
    manifest that a delta bundle goes on from. `licences` maps components to the names of their terms.
    """

    version: str
    serial: int
    created: str
    platform: str
    python: str
    profile: str
    base: str | None
    licences: Mapping[str, str]
    files: tuple[BundleFile, ...]
    bootstrap_bytes: int
    bootstrap_sha256: str

    @property
    def carried_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files if file.offset is not None)

    def of_kind(self, kind: str) -> tuple[BundleFile, ...]:
        return tuple(file for file in self.files if file.kind == kind)

    def encoded(self) -> bytes:
        value = {name: getattr(self, name) for name in (*_TEXTS, "serial", "base")}
        files = [
            {
                "name": f.name,
                "kind": f.kind,
                "bytes": f.size_bytes,
                "sha256": f.sha256,
                "offset": f.offset,
            }
            for f in self.files
        ]
        bootstrap = {"bytes": self.bootstrap_bytes, "sha256": self.bootstrap_sha256}
        head = {"format": FORMAT, "product": PRODUCT, "licences": dict(self.licences)}
        return canonical(head | value | {"files": files, "bootstrap": bootstrap})


def parse_manifest(content: bytes) -> Manifest:
    """Raises `UnreadableInput` that names the field for anything that is no manifest, whoever signed it."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged("manifest", "it is no JSON") from error
    table = _table(
        value, "", {"format", "product", "licences", "files", "bootstrap", "serial", "base", *_TEXTS}
    )
    if table["format"] != FORMAT or table["product"] != PRODUCT:
        raise damaged(
            "manifest", f"it is not of format {FORMAT} of {PRODUCT}: a newer AURA Local may read it"
        )
    for name, pattern in _TEXTS.items():
        _text(table[name], name, pattern)
    base = table["base"]
    if base is not None:
        _text(base, "base", _DIGEST)
    bootstrap = _table(table["bootstrap"], "bootstrap", {"bytes", "sha256"})
    manifest = Manifest(
        **{name: table[name] for name in _TEXTS},
        serial=_number(table["serial"], "serial", 2**53),
        base=base,
        licences=_licences(table["licences"]),
        files=_files(table["files"], base),
        bootstrap_bytes=_number(bootstrap["bytes"], "bootstrap", BOOTSTRAP_LIMIT_BYTES),
        bootstrap_sha256=_text(bootstrap["sha256"], "bootstrap", _DIGEST),
    )
    # Repeated names, other spellings of numbers and the like: there is one way to write a manifest.
    if manifest.encoded() != content:
        raise damaged("manifest", "it is not written in the canonical form")
    return manifest


def _files(value: Any, base: str | None) -> tuple[BundleFile, ...]:
    if not isinstance(value, list) or len(value) > FILES_LIMIT:
        raise damaged("manifest", f"files is no list of at most {FILES_LIMIT}")
    files: list[BundleFile] = []
    end = 0
    for entry in value:
        row = _table(entry, "files", {"name", "kind", "bytes", "sha256", "offset"})
        name, kind = checked_name(row["name"]), row["kind"]
        size_bytes = _number(row["bytes"], f"bytes of {name}", FILE_LIMIT_BYTES)
        if not isinstance(kind, str) or FOLDERS.get(kind) != name.split("/")[0]:
            raise damaged(name, "it is not in the folder of its kind")
        if (kind == "model") != (name.count("/") >= 2 and name.startswith("models/")):
            raise damaged(name, "a model's file is in a folder of the model's name")
        if kind == "model" and name.split("/")[1].lower() in _RECORDS:
            raise damaged(name, "no model may have this name")
        if kind == "wheel" and not (name.endswith(".whl") and name.count("/") == 1):
            raise damaged(name, "it is no wheel")
        offset = row["offset"]
        # One behind the other without gap or overlap, so that each byte is under exactly one digest.
        if offset is None and base is None:
            raise damaged(name, "it is in no base, and not in the bundle")
        if offset is not None and (type(offset) is not int or offset != end):
            raise damaged(name, "it is not where it should be")
        end += 0 if offset is None else size_bytes
        files.append(BundleFile(name, kind, size_bytes, _text(row["sha256"], name, _DIGEST), offset))
    _refuse_clashes([file.name for file in files])
    return tuple(files)


def checked_name(value: Any) -> str:
    """A plain relative path that means the same on every system. Raises `UnreadableInput`."""
    parts = value.split("/") if isinstance(value, str) else []
    plain = 2 <= len(parts) <= _DEPTH and all(_PART.fullmatch(part) and part[-1] != "." for part in parts)
    if not plain or len(value) > _NAME_CHARACTERS:
        raise damaged("manifest", f"{str(value)[:80]!r} is no name that a file may have")
    return str(value)


def _refuse_clashes(names: Sequence[str]) -> None:
    """No name twice, also where capitals do not count, and none that is another's folder."""
    taken: set[str] = set()
    folders: set[str] = set()
    for name in names:
        low = name.lower()
        if low in taken:
            raise damaged(name, "it is listed twice")
        taken.add(low)
        parts = low.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    for name in names:
        if name.lower() in folders:
            raise damaged(name, "it is a file and a folder at once")


def _licences(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > FILES_LIMIT:
        raise damaged("manifest", "licences is no table")
    for name, terms in value.items():
        if not isinstance(terms, str) or len(terms) > 300 or len(name) > 200:
            raise damaged("manifest", "licences is no table of names")
    return value


def _table(value: Any, field: str, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise damaged("manifest", f"{field or 'the whole'} has other fields than it should")
    return value


def _number(value: Any, field: str, limit: int) -> int:
    if type(value) is not int or not 0 <= value <= limit:
        raise damaged("manifest", f"{field} is no number from 0 to {limit}")
    return value


def _text(value: Any, field: str, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise damaged("manifest", f"{field} is not what it should be")
    return value
