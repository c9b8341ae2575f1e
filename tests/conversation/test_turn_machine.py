"""Every row of the table of states as a tape."""

from __future__ import annotations

import pytest

from aura_local.conversation.speech_gate import SpeechPaused, SpeechStarted, SpeechSustained
from aura_local.conversation.turn_effects import (
    CancelReply,
    CloseTurn,
    Discard,
    Duck,
    HoldReply,
    OpenTurn,
    Pause,
    PrepareReply,
    ReleaseReply,
    RememberTurn,
    Restore,
    ResumeReply,
    StartReply,
    SuspendReply,
    Transcribe,
)
from aura_local.conversation.turn_events import (
    CancelRequested,
    Event,
    InputStalled,
    ReplyAudible,
    ReplyFailed,
    ReplyHeard,
    TextEntered,
    TimePassed,
    Transcribed,
    TranscriptionFailed,
)
from aura_local.conversation.turn_machine import advance
from aura_local.conversation.turn_state import Phase, TurnRules, TurnState
from tests.support.tapes import Player, Tape, at_ms, names

PATIENT = TurnRules(speculation=False)
SHORT = TurnRules(utterance_limit_ms=5_000)


def time(milliseconds: int, *, quiet: bool = True) -> TimePassed:
    return TimePassed(at_ms(milliseconds), quiet)


def started(milliseconds: int) -> SpeechStarted:
    return SpeechStarted(at_ms(milliseconds))


def sustained(milliseconds: int) -> SpeechSustained:
    return SpeechSustained(at_ms(milliseconds))


def paused(milliseconds: int, speech_ms: int) -> SpeechPaused:
    return SpeechPaused(at_ms(milliseconds), at_ms(speech_ms))


HEARING: tuple[Event, ...] = (time(900), started(1000))
PAUSED = (*HEARING, paused(2000, 1000), time(2096))
KNOWN = (*PAUSED, Transcribed(1, 0, "when do you open", 200))
THINKING = (*KNOWN, time(2208))
SPEAKING = (*THINKING, ReplyAudible(1))
HELD = (*THINKING, started(2300))
DUCKED = (*SPEAKING, started(3000))
INTERRUPTED = (*DUCKED, sustained(3000))
INTERRUPTION_OVER = (*INTERRUPTED, paused(3500, 500), time(3596))
TYPED = (TextEntered("where is the shop"),)

TAPES = [
    Tape("speech opens a turn", (), started(64), Phase.HEARING, [OpenTurn(1, at_ms(64))]),
    Tape(
        "a pause is transcribed ahead",
        HEARING,
        paused(2000, 1000),
        Phase.PAUSED,
        [Pause(1, at_ms(2000)), Transcribe(1, 0, at_ms(1000), at_ms(2000))],
    ),
    Tape(
        "without speculation a pause is only told",
        HEARING,
        paused(2000, 1000),
        Phase.PAUSED,
        [Pause(1, at_ms(2000))],
        PATIENT,
    ),
    Tape(
        "without speculation the silence is transcribed once it is long enough",
        (*HEARING, paused(2000, 1000), time(2199)),
        time(2200),
        Phase.PAUSED,
        [Transcribe(1, 0, at_ms(1000), at_ms(2000))],
        PATIENT,
    ),
    Tape(
        "and only once",
        (*HEARING, paused(2000, 1000), time(2200)),
        time(2300),
        Phase.PAUSED,
        [],
        PATIENT,
    ),
    Tape(
        "a blip is noise, not speech",
        HEARING,
        paused(1189, 189),
        Phase.LISTENING,
        [Pause(1, at_ms(1189)), Discard(1), CloseTurn(1)],
    ),
    Tape(
        "the reply is prepared as soon as there is a text",
        PAUSED,
        Transcribed(1, 0, "when do you open", 700),
        Phase.PAUSED,
        [PrepareReply(1, 0, "when do you open")],
    ),
    Tape(
        "without speculation nothing is prepared",
        (*HEARING, paused(2000, 1000), time(2200)),
        Transcribed(1, 0, "when do you open", 700),
        Phase.PAUSED,
        [],
        PATIENT,
    ),
    Tape(
        "no words close the turn",
        PAUSED,
        Transcribed(1, 0, "", 0),
        Phase.LISTENING,
        [Discard(1), CloseTurn(1)],
    ),
    Tape(
        "a failed transcription closes the turn",
        PAUSED,
        TranscriptionFailed(1, 0),
        Phase.LISTENING,
        [Discard(1), CloseTurn(1)],
    ),
    Tape(
        "speech in the pause voids what was worked ahead",
        KNOWN,
        started(2150),
        Phase.HEARING,
        [Discard(1)],
    ),
    Tape("the silence is too short by a frame", KNOWN, time(2199), Phase.PAUSED, []),
    Tape(
        "a silence long enough for the text ends the turn",
        KNOWN,
        time(2200),
        Phase.THINKING,
        [StartReply(1, 1, 0, "when do you open")],
    ),
    Tape("not while the newest frame may be speech", KNOWN, time(2200, quiet=False), Phase.PAUSED, []),
    Tape(
        "no more audio ends the turn at once",
        KNOWN,
        InputStalled(),
        Phase.THINKING,
        [StartReply(1, 1, 0, "when do you open")],
    ),
    Tape("no more audio: the running transcription decides", PAUSED, InputStalled(), Phase.PAUSED, []),
    Tape(
        "no more audio while a sentence runs",
        (*HEARING, time(2500)),
        InputStalled(),
        Phase.PAUSED,
        [Pause(1, at_ms(2500)), Transcribe(1, 0, at_ms(1000), at_ms(2500))],
    ),
    Tape(
        "no more audio before the first look",
        (*HEARING, paused(2000, 1000)),
        InputStalled(),
        Phase.PAUSED,
        [Transcribe(1, 0, at_ms(1000), at_ms(2000))],
        PATIENT,
    ),
    Tape("no more audio means nothing to a listener", (), InputStalled(), Phase.LISTENING, []),
    Tape(
        "the longest turn is answered as it is",
        HEARING,
        time(6000),
        Phase.PAUSED,
        [Pause(1, at_ms(6000)), Transcribe(1, 0, at_ms(1000), at_ms(6000))],
        SHORT,
    ),
    Tape(
        "as soon as its text is known",
        (*HEARING, time(6000)),
        Transcribed(1, 0, "and then", 1200),
        Phase.THINKING,
        [StartReply(1, 1, 0, "and then")],
        SHORT,
    ),
    Tape("the reply is heard", THINKING, ReplyAudible(1), Phase.SPEAKING, []),
    Tape("a reply without audio is over", THINKING, ReplyHeard(1), Phase.LISTENING, [RememberTurn(1)]),
    Tape(
        "speech while thinking holds the reply back", THINKING, started(2300), Phase.THINKING, [HoldReply(1)]
    ),
    Tape("a blip lets it go", HELD, paused(2400, 100), Phase.THINKING, [ReleaseReply(1)]),
    Tape("so does the end of the audio", HELD, InputStalled(), Phase.THINKING, [ReleaseReply(1)]),
    Tape(
        "speech that is meant takes the reply back, and the turn goes on",
        HELD,
        sustained(2300),
        Phase.HEARING,
        [CancelReply(1), Discard(1)],
    ),
    Tape(
        "the earlier words join the new ones",
        (*HELD, sustained(2300)),
        paused(3300, 1000),
        Phase.PAUSED,
        [Pause(1, at_ms(3300)), Transcribe(1, 1, at_ms(1000), at_ms(3300))],
    ),
    Tape(
        "a typed question is not continued by speech",
        (time(500), *TYPED, started(1000)),
        sustained(1000),
        Phase.HEARING,
        [CancelReply(1), OpenTurn(2, at_ms(1000))],
    ),
    Tape("speech while speaking ducks the reply", SPEAKING, started(3000), Phase.SPEAKING, [Duck(1)]),
    Tape("a blip restores it", DUCKED, paused(3100, 100), Phase.SPEAKING, [Restore(1)]),
    Tape("so does the end of the audio", DUCKED, InputStalled(), Phase.SPEAKING, [Restore(1)]),
    Tape(
        "barge-in silences first and then listens",
        DUCKED,
        sustained(3000),
        Phase.HEARING,
        [SuspendReply(1), OpenTurn(2, at_ms(3000))],
    ),
    Tape(
        "a barge-in without words goes on where it was cut",
        INTERRUPTION_OVER,
        Transcribed(2, 0, "", 0),
        Phase.SPEAKING,
        [Discard(2), CloseTurn(2), ResumeReply(1)],
    ),
    Tape(
        "one that is too short to be words as well",
        INTERRUPTED,
        paused(3180, 180),
        Phase.SPEAKING,
        [Pause(2, at_ms(3180)), Discard(2), CloseTurn(2), ResumeReply(1)],
    ),
    Tape(
        "one that cannot be understood as well",
        INTERRUPTION_OVER,
        TranscriptionFailed(2, 0),
        Phase.SPEAKING,
        [Discard(2), CloseTurn(2), ResumeReply(1)],
    ),
    Tape(
        "a real one ends the old reply before the new one begins",
        (*INTERRUPTION_OVER, Transcribed(2, 0, "stop", 200)),
        time(3700),
        Phase.THINKING,
        [CancelReply(1), StartReply(2, 2, 0, "stop")],
    ),
    Tape("the reply was heard", SPEAKING, ReplyHeard(1), Phase.LISTENING, [RememberTurn(1)]),
    Tape(
        "speech over its last words is the next turn",
        DUCKED,
        ReplyHeard(1),
        Phase.HEARING,
        [RememberTurn(1), OpenTurn(2, at_ms(3000))],
    ),
    Tape(
        "speech during a failure is the next turn as well",
        DUCKED,
        ReplyFailed(1),
        Phase.HEARING,
        [CancelReply(1), OpenTurn(2, at_ms(3000))],
    ),
    Tape("a failure while thinking", THINKING, ReplyFailed(1), Phase.LISTENING, [CancelReply(1)]),
    Tape("a failure while speaking", SPEAKING, ReplyFailed(1), Phase.LISTENING, [CancelReply(1)]),
    Tape("a suspended reply fails", INTERRUPTED, ReplyFailed(1), Phase.HEARING, [CancelReply(1)]),
    Tape("cancelled while thinking", THINKING, CancelRequested(), Phase.LISTENING, [CancelReply(1)]),
    Tape("cancelled while speaking", SPEAKING, CancelRequested(), Phase.LISTENING, [CancelReply(1)]),
    Tape(
        "cancelled while hearing",
        HEARING,
        CancelRequested(),
        Phase.LISTENING,
        [Discard(1), CloseTurn(1)],
    ),
    Tape(
        "cancelled during a barge-in",
        INTERRUPTED,
        CancelRequested(),
        Phase.LISTENING,
        [CancelReply(1), Discard(2), CloseTurn(2)],
    ),
    Tape("cancelled while nothing happens", (), CancelRequested(), Phase.LISTENING, []),
    Tape(
        "a typed question",
        (),
        TextEntered("where is the shop"),
        Phase.THINKING,
        [StartReply(1, 1, 0, "where is the shop")],
    ),
    Tape(
        "a typed question interrupts the reply",
        SPEAKING,
        TextEntered("where is the shop"),
        Phase.THINKING,
        [CancelReply(1), StartReply(2, 2, 0, "where is the shop")],
    ),
    Tape(
        "a typed question interrupts the speaker",
        KNOWN,
        TextEntered("where is the shop"),
        Phase.THINKING,
        [Discard(1), CloseTurn(1), StartReply(1, 2, 0, "where is the shop")],
    ),
]


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
