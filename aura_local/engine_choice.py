"""Which model does which job. Pure: takes what is installed and what is configured. Layer 4.

`auto` takes the best that is present and never a synthetic model. The profile `demo` names the small
models that ship. Anything else is the name of a catalogue entry, or of an engine that needs no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from aura_local.catalogue.manifest import ModelEntry
from aura_local.errors import ConfigurationError
from aura_local.settings import EngineSettings

Job: TypeAlias = Literal[
    "voice_activity", "turn_detector", "speech_to_text", "language_model", "text_to_speech", "embedder"
]
JOBS: Final[tuple[Job, ...]] = (
    "voice_activity",
    "turn_detector",
    "speech_to_text",
    "embedder",
    "language_model",
    "text_to_speech",
)
"""In the order they are loaded."""

CAPABLE_PARAMETERS: Final = 500_000_000
"""Language models from this size on are trusted with their own words; smaller ones only draft."""

DEMO_MODELS: Final[Mapping[Job, str]] = {
    "speech_to_text": "whisper-synthetic-tiny",
    "language_model": "smollm2-135m-instruct",
    "text_to_speech": "piper-synthetic",
    "embedder": "all-MiniLM-L6-v2",
    "voice_activity": "silero-vad-v6",
}

BEST_FIRST: Final[Mapping[Job, tuple[str, ...]]] = {
    "speech_to_text": ("whisper", "pocketsphinx"),
    "language_model": ("llama",),
    "text_to_speech": ("piper", "espeak"),
    "embedder": ("minilm", "sentence_transformers"),
    "voice_activity": ("silero",),
}
"""Engines that `auto` considers, best first."""

WITHOUT_MODEL: Final = frozenset({("language_model", "extractive"), ("turn_detector", "silence")})
"""Engines that are code alone."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine for one job. `entry` is None for engines that need no model."""

    job: Job
    engine: str
    entry: ModelEntry | None

    @property
    def model(self) -> str:
        return self.engine if self.entry is None else self.entry.name


def choose(
    job: Job,
    settings: EngineSettings,
    profile: str,
    entries: Sequence[ModelEntry],
    present: frozenset[str],
    adapters: frozenset[str] = frozenset(),
) -> Choice:
    """The engine for a job. `present` holds the names of the entries that are installed, `adapters` those
    of the adapters registered for the job: a plugin that brings its own model is picked by its name.

    Where nothing suitable is present the best candidate is chosen all the same: opening it says what is
    missing and which command gets it. Raises `ConfigurationError` for names that do not exist.
    """
    wanted: str = getattr(settings, job)
    if wanted == "auto" and profile == "demo":
        wanted = DEMO_MODELS[job]
    if wanted == "auto":
        return _best(job, entries, present)
    needs_entry = any(entry.job == job and entry.engine == wanted for entry in entries)
    if (job, wanted) in WITHOUT_MODEL or (wanted in adapters and not needs_entry):
        return Choice(job, wanted, None)
    usable = [entry for entry in entries if entry.job == job and entry.waits_for is None]
    for entry in usable:
        if entry.name == wanted:
            return Choice(job, entry.engine, entry)
    known = [entry.name for entry in usable]
    known += [engine for kind, engine in sorted(WITHOUT_MODEL) if kind == job]
    raise ConfigurationError(f"engines.{job} is {wanted!r}; known are: auto, {', '.join(known)}.")


def _automatic(entry: ModelEntry, job: Job, engine: str) -> bool:
    usable = not entry.synthetic and entry.waits_for is None
    return usable and entry.job == job and entry.engine == engine


def _best(job: Job, entries: Sequence[ModelEntry], present: frozenset[str]) -> Choice:
    candidates = [
        entry
        for engine in BEST_FIRST[job]
        for entry in sorted(
            (e for e in entries if _automatic(e, job, engine)),
            key=lambda e: -(e.parameters or 0),
        )
    ]
    for entry in candidates:
        if entry.name in present:
            return Choice(job, entry.engine, entry)
    if job == "language_model":
        return Choice(job, "extractive", None)
    if not candidates:
        raise ConfigurationError(f"The catalogue lists no model for {job}.")
    return Choice(job, candidates[-1].engine, candidates[-1])
