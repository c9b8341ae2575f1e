"""Finds the adapters that are installed, by entry point, and opens the chosen ones. Layer 3.

Our own adapters register the same way as plugins do: an entry point in the group of the port, whose
object is a function `open_adapter(context: AdapterContext) -> engine`. Only the chosen one is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from aura_local.cores import CoreBudget
from aura_local.egress import silence_libraries
from aura_local.errors import ConfigurationError, ModelMissing

GROUPS: Final = {
    "voice_activity": "aura_local.voice_activity",
    "turn_detector": "aura_local.turn_detector",
    "speech_to_text": "aura_local.speech_to_text",
    "language_model": "aura_local.language_model",
    "text_to_speech": "aura_local.text_to_speech",
    "embedder": "aura_local.embedder",
}
"""Entry-point group of each port, by the name of the job."""


@dataclass(frozen=True, slots=True)
class AdapterContext:
    """Everything an adapter is given; it reads no settings, no environment and no catalogue itself."""

    model: str
    """Name of the catalogue entry, for the description and for error messages."""
    budget: CoreBudget
    files: Mapping[str, Path] = field(default_factory=dict)
    """The model's files by their name in the catalogue, all verified against their digests."""
    synthetic: bool = False
    note: str = ""
    writes_punctuation: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    """Facts of the catalogue entry and settings that only this kind of adapter knows."""

    def file(self, name: str) -> Path:
        """A verified file of the model. Raises `ModelMissing` when the catalogue entry lacks it."""
        try:
            return self.files[name]
        except KeyError:
            raise ModelMissing(f"The model {self.model} has no file {name} in its catalogue entry.") from None

    @property
    def folder(self) -> Path:
        """The folder that holds the model's files."""
        if not self.files:
            raise ModelMissing(f"The model {self.model} has no files in its catalogue entry.")
        return next(iter(self.files.values())).parent


def installed_adapters(job: str) -> dict[str, EntryPoint]:
    """The adapters registered for a job (a key of `GROUPS`), by name, none of them imported."""
    return {point.name: point for point in entry_points(group=GROUPS[job])}


def open_adapter(job: str, engine: str, context: AdapterContext) -> Any:
    """Import the adapter and open it. Slow (it loads a model): call it off the event loop.

    Raises `ConfigurationError` for an unknown name, `ModelMissing` when the adapter's package is not
    installed, and whatever the adapter raises.
    """
    points = installed_adapters(job)
    if engine not in points:
        known = ", ".join(sorted(points)) or "none"
        raise ConfigurationError(f"No engine called {engine!r} does {job}; installed: {known}.")
    try:
        # Some libraries report home from the moment they are imported.
        silence_libraries()
        factory: Callable[[AdapterContext], Any] = points[engine].load()
        return factory(context)
    except ImportError as error:
        package = error.name or str(error)
        raise ModelMissing(
            f"The engine {engine} needs the package {package}, which is not installed; "
            "run ./scripts/start once more, or pip install 'aura-local[starter]'."
        ) from error
