"""Which engine does which job, and how far it is: what people and supervisors are shown. Layer 4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from aura_local.engine_choice import Choice
from aura_local.ports import EngineDescription

State: TypeAlias = Literal["loading", "loaded", "missing", "failed"]


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """One line of `/voice/status`."""

    job: str
    state: State
    engine: str
    model: str
    synthetic: bool = False
    note: str = ""
    message: str = ""
    """What is wrong, where something is."""
    command: str = ""
    """The one command that mends it."""
    loading: str = ""
    """The model that is being loaded to take its place."""


def note_of(choice: Choice) -> str:
    """What the catalogue says about the limits of a choice."""
    entry = choice.entry
    if entry is None:
        return ""
    if entry.word_error_rate is not None:
        share = f"{entry.word_error_rate:.0%}"
        return f"{entry.description}. On human speech it gets {share} of the words wrong (measured)."
    return f"{entry.description}."


def status_of(choice: Choice, state: State, description: EngineDescription | None = None) -> EngineStatus:
    """The line of a choice; `description` is that of its engine, once it is loaded."""
    return EngineStatus(
        job=choice.job,
        state=state,
        engine=choice.engine,
        model=choice.model,
        synthetic=choice.entry is not None and choice.entry.synthetic,
        note=note_of(choice) if description is None else description.note or note_of(choice),
    )
