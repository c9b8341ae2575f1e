"""A model that was recognised: what it is, and which files it has. Layer 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aura_local.catalogue.manifest import Job


@dataclass(frozen=True, slots=True)
class Recognised:
    """One model. `files` maps names in the model's folder to where they are; `title` suggests a name."""

    title: str
    job: Job
    engine: str
    description: str
    files: Mapping[str, Path]
    memory_bytes: int
    languages: tuple[str, ...] = ("any",)
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the catalogue entry."""
    shown: Mapping[str, Any] = field(default_factory=dict)
    """Facts for people alone, by what they are called."""
