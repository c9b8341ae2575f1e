"""Event tapes for the turn machine: what happens, and what it answers, as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aura_local.conversation.turn_effects import Effect
from aura_local.conversation.turn_events import Event
from aura_local.conversation.turn_machine import advance
from aura_local.conversation.turn_state import Phase, TurnRules, TurnState
from aura_local.ports import SPEECH_RATE_HZ


def at_ms(milliseconds: int) -> int:
    """A position in samples at 16 kHz."""
    return milliseconds * SPEECH_RATE_HZ // 1000


@dataclass
class Player:
    """Plays events to the machine and keeps every effect."""

    rules: TurnRules = field(default_factory=TurnRules)
    state: TurnState = field(default_factory=TurnState)
    effects: list[Effect] = field(default_factory=list)

    def play(self, *events: Event) -> tuple[Effect, ...]:
        """Effects of these events, in order."""
        before = len(self.effects)
        for event in events:
            self.state, effects = advance(self.state, event, self.rules)
            self.effects += effects
        return tuple(self.effects[before:])


@dataclass(frozen=True)
class Tape:
    """One row of the table of states: from a beginning, an event leads to a phase and effects."""

    name: str
    beginning: Sequence[Event]
    event: Event
    phase: Phase
    effects: Sequence[Effect]
    rules: TurnRules = field(default_factory=TurnRules)


def names(effects: Iterable[object]) -> list[str]:
    return [type(effect).__name__ for effect in effects]
