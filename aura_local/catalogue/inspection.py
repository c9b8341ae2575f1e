"""What a model is, told without opening it with any engine, and whether it can be used here. Layer 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aura_local.catalogue.conversion_source import WEIGHTS, read_source
from aura_local.catalogue.gguf_check import GgufFacts, inspect
from aura_local.catalogue.model_tables import read_head
from aura_local.catalogue.recognition import model_file, recognise, shown_of


@dataclass(frozen=True, slots=True)
class Inspection:
    """One model. `facts` depend on its kind, by what people call them."""

    name: str
    job: str
    kind: str
    """Of its files: `GGUF`, `Piper`, `CTranslate2` or `transformers`."""
    size_bytes: int
    memory_bytes: int | None
    """Computed, as in the catalogue; None where it has to be converted first."""
    languages: tuple[str, ...]
    facts: Mapping[str, Any]
    reason: str | None
    """Why it cannot be used as it is; None where it can."""


def inspect_model(path: Path) -> Inspection:
    """Blocks for about 0.2 s. Raises like `recognise`, but a whole GGUF that cannot be used is described."""
    if path.is_dir() and (path / WEIGHTS).is_file():
        return _convertible(path)
    file = model_file(path)
    if read_head(file).startswith(b"GGUF"):
        return _language_model(file, inspect(file))
    found = recognise(path)
    return Inspection(
        name=found.title,
        job=found.job,
        kind="Piper" if found.engine == "piper" else "CTranslate2",
        size_bytes=sum(part.stat().st_size for part in found.files.values()),
        memory_bytes=found.memory_bytes,
        languages=found.languages,
        facts=found.shown,
        reason=None,
    )


def _language_model(file: Path, facts: GgufFacts) -> Inspection:
    return Inspection(
        name=facts.name or file.stem,
        job="language_model",
        kind="GGUF",
        size_bytes=file.stat().st_size,
        memory_bytes=facts.memory_bytes,
        languages=("any",),
        facts=shown_of(facts),
        reason=facts.reason,
    )


def _convertible(folder: Path) -> Inspection:
    source = read_source(folder)
    whisper = source.kind == "whisper"
    made: Mapping[str, Any] = (
        {"mel bands": source.preprocessor["feature_size"]} if whisper else source.embedding
    )
    facts = {name.replace("_", " "): value for name, value in made.items()}
    return Inspection(
        name=folder.resolve().name,
        job="speech_to_text" if whisper else "embedder",
        kind="transformers",
        size_bytes=source.weights.stat().st_size,
        memory_bytes=None,
        languages=("any",),
        facts={"words": source.configuration["vocab_size"], **facts},
        reason="it has to be converted first, with `aura models convert`",
    )
