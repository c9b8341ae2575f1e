"""Every row of the table of states as a tape."""

from __future__ import annotations

import pytest

from aura_local.conversation.turn_events import (
    Event,
    ReplyAudible,
    ReplyFailed,
    ReplyHeard,
    Transcribed,
    TranscriptionFailed,
)
from aura_local.conversation.turn_machine import advance
from aura_local.conversation.turn_state import TurnRules, TurnState
from tests.conversation.turn_beginnings import (
    INTERRUPTED,
    INTERRUPTION_OVER,
    KNOWN,
    SPEAKING,
    THINKING,
    paused,
    started,
    sustained,
)
from tests.conversation.turn_tapes import TAPES
from tests.support.tapes import Player, Tape, at_ms, names


@pytest.mark.parametrize("tape", TAPES, ids=[tape.name for tape in TAPES])
def test_table(tape: Tape) -> None:
    player = Player(tape.rules)
    player.play(*tape.beginning)
    assert list(player.play(tape.event)) == list(tape.effects)
    assert player.state.phase is tape.phase


STALE = [
    (KNOWN, Transcribed(1, 1, "from the future", 200)),
    ((*KNOWN, started(2150), paused(3000, 800)), Transcribed(1, 0, "old", 200)),
    ((*KNOWN, started(2150), paused(3000, 800)), TranscriptionFailed(1, 0)),
    ((*KNOWN, started(2150)), Transcribed(1, 0, "old", 200)),
    (THINKING, Transcribed(1, 0, "twice", 200)),
    (INTERRUPTION_OVER, Transcribed(1, 0, "the turn before", 200)),
    (SPEAKING, ReplyHeard(7)),
    (SPEAKING, ReplyFailed(7)),
    (THINKING, ReplyAudible(7)),
    (INTERRUPTED, ReplyHeard(1)),
    (INTERRUPTED, ReplyAudible(1)),
    (SPEAKING, sustained(3000)),
]


@pytest.mark.parametrize(("beginning", "event"), STALE)
def test_what_is_stale_changes_nothing(beginning: tuple[Event, ...], event: Event) -> None:
    player = Player()
    player.play(*beginning)
    before = player.state
    assert player.play(event) == ()
    assert player.state == before


def test_pauses_add_up_to_speech() -> None:
    """Two blips that are too short alone are a word together."""
    player = Player()
    player.play(started(0), paused(128, 190), Transcribed(1, 0, "uh", 1200), started(400), paused(500, 100))
    assert names(player.effects).count("Transcribe") == 2
    assert player.state.speech_samples == at_ms(290)


def test_replies_are_not_prepared_for_ever() -> None:
    player = Player(TurnRules(revision_limit=2))
    position = 0
    for revision in range(4):
        position += 1000
        player.play(started(position), paused(position + 500, 500))
        player.play(Transcribed(1, revision, "and", 1200))
    assert names(player.effects).count("PrepareReply") == 2
    assert names(player.effects).count("Transcribe") == 4


def test_an_unknown_event_is_an_error_of_ours() -> None:
    with pytest.raises(TypeError):
        advance(TurnState(), object(), TurnRules())  # type: ignore[arg-type]
