"""Whose turn it is. Pure: no clock, no await; time is the number of samples heard so far.

`advance(state, event, rules)` returns the next state and the effects that the session has to carry out,
in order. Everything that is worked on ahead carries (turn, revision); a result with an old revision is
stale and changes nothing. Nothing before `StartReply` is visible to anyone.

    listening --SpeechStarted--> hearing --SpeechPaused--> paused --complete, or silent long enough-->
    thinking --ReplyAudible--> speaking --ReplyHeard--> listening

Speech in `paused` returns to `hearing`; in `thinking` it takes the reply back, and the earlier words join
the new ones; in `speaking` it suspends the reply (barge-in), which goes on where it was cut when the
noise turns out to hold no words, and ends there when it does.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import TypeAlias

from aura_local.conversation import turn_effects as effects
from aura_local.conversation.speech_gate import SpeechPaused, SpeechStarted, SpeechSustained
from aura_local.conversation.turn_events import (
    AnswerDoubted,
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
from aura_local.conversation.turn_state import Phase, TurnRules, TurnState
from aura_local.ports import SPEECH_RATE_HZ

Step: TypeAlias = tuple[TurnState, tuple[effects.Effect, ...]]


def advance(state: TurnState, event: Event, rules: TurnRules) -> Step:
    """The next state, and what to do about it."""
    return _advance(event, state, rules)


@singledispatch
def _advance(event: object, state: TurnState, rules: TurnRules) -> Step:
    raise TypeError(f"not an event of the turn machine: {type(event).__name__}")


@_advance.register
def _(event: SpeechStarted, state: TurnState, rules: TurnRules) -> Step:
    match state.phase:
        case Phase.LISTENING:
            return _open_turn(state, event.sample)
        case Phase.PAUSED:
            return _go_on(state)
        case Phase.THINKING if state.reply is not None:
            return replace(state, onset=event.sample), (effects.HoldReply(state.reply),)
        case Phase.SPEAKING if state.reply is not None:
            return replace(state, onset=event.sample), (effects.Duck(state.reply),)
    return state, ()


@_advance.register
def _(event: SpeechSustained, state: TurnState, rules: TurnRules) -> Step:
    if state.reply is None or state.onset is None:
        return state, ()
    if state.phase is Phase.THINKING and state.transcript is None:
        # A typed question is not continued by speech.
        opened, steps = _open_turn(replace(state, reply=None, onset=None), event.sample)
        return opened, (effects.CancelReply(state.reply), *steps)
    if state.phase is Phase.THINKING:
        # Taken back before anyone heard it: the earlier words belong to the turn that goes on.
        resumed, steps = _go_on(replace(state, reply=None, onset=None))
        return resumed, (effects.CancelReply(state.reply), *steps)
    if state.phase is Phase.SPEAKING:
        opened, steps = _open_turn(replace(state, onset=None), event.sample)
        return replace(opened, suspended=True), (effects.SuspendReply(state.reply), *steps)
    return state, ()


@_advance.register
def _(event: SpeechPaused, state: TurnState, rules: TurnRules) -> Step:
    if state.phase is Phase.HEARING:
        paused = replace(
            state,
            phase=Phase.PAUSED,
            end_sample=event.sample,
            speech_samples=state.speech_samples + event.speech_samples,
        )
        steps: tuple[effects.Effect, ...] = (effects.Pause(state.turn, event.sample),)
        if rules.speculation:
            paused, more = _transcribe(paused, rules)
            steps += more
        return paused, steps
    return _calm(state)


@_advance.register
def _(event: TimePassed, state: TurnState, rules: TurnRules) -> Step:
    state = replace(state, now=event.sample)
    if state.phase is Phase.HEARING and _ms(event.sample - state.first_sample) >= rules.utterance_limit_ms:
        return _force(state, rules)
    if state.phase is not Phase.PAUSED:
        return state, ()
    silence_ms = _ms(event.sample - state.end_sample)
    if state.transcript is None:
        if not state.transcribing and silence_ms >= rules.first_look_ms:
            return _transcribe(state, rules)
        return state, ()
    if event.quiet and silence_ms >= state.transcript.wait_ms:
        return _end_turn(state)
    return state, ()


@_advance.register
def _(event: Transcribed, state: TurnState, rules: TurnRules) -> Step:
    if _stale(event, state):
        return state, ()
    known = replace(state, transcript=event, transcribing=False)
    if not event.text or state.forced:
        return _end_turn(known)
    if rules.speculation and state.revision < rules.revision_limit:
        return known, (effects.PrepareReply(event.turn, event.revision, event.text),)
    return known, ()


@_advance.register
def _(event: AnswerDoubted, state: TurnState, rules: TurnRules) -> Step:
    heard = state.transcript
    current = heard is not None and (event.turn, event.revision) == (heard.turn, heard.revision)
    if state.phase is not Phase.PAUSED or heard is None or not current:
        return state, ()
    patient = replace(heard, wait_ms=max(heard.wait_ms, rules.doubted_wait_ms))
    return replace(state, transcript=patient), ()


@_advance.register
def _(event: TranscriptionFailed, state: TurnState, rules: TurnRules) -> Step:
    return (state, ()) if _stale(event, state) else _back_to_before(state)


@_advance.register
def _(event: ReplyAudible, state: TurnState, rules: TurnRules) -> Step:
    if state.phase is Phase.THINKING and event.reply_id == state.reply:
        return replace(state, phase=Phase.SPEAKING), ()
    return state, ()


@_advance.register
def _(event: ReplyHeard, state: TurnState, rules: TurnRules) -> Step:
    if event.reply_id != state.reply or state.phase not in (Phase.THINKING, Phase.SPEAKING):
        return state, ()
    return _after_reply(state, effects.RememberTurn(event.reply_id))


@_advance.register
def _(event: ReplyFailed, state: TurnState, rules: TurnRules) -> Step:
    if event.reply_id != state.reply:
        return state, ()
    if state.phase in (Phase.THINKING, Phase.SPEAKING):
        return _after_reply(state, effects.CancelReply(event.reply_id))
    return replace(state, reply=None, suspended=False), (effects.CancelReply(event.reply_id),)


@_advance.register
def _(event: CancelRequested, state: TurnState, rules: TurnRules) -> Step:
    steps: tuple[effects.Effect, ...] = () if state.reply is None else (effects.CancelReply(state.reply),)
    if state.phase in (Phase.HEARING, Phase.PAUSED):
        steps += (effects.Discard(state.turn), effects.CloseTurn(state.turn))
    return replace(state, phase=Phase.LISTENING, reply=None, suspended=False, onset=None), steps


@_advance.register
def _(event: TextEntered, state: TurnState, rules: TurnRules) -> Step:
    cleared, steps = advance(state, CancelRequested(), rules)
    # A turn without speech: opened and answered in one.
    typed, _ = _open_turn(cleared, cleared.now)
    started, more = _start_reply(typed, event.text)
    return started, steps + more


@_advance.register
def _(event: InputStalled, state: TurnState, rules: TurnRules) -> Step:
    if state.phase is Phase.HEARING:
        return _force(state, rules)
    if state.phase is Phase.PAUSED:
        if state.transcript is not None:
            return _end_turn(state)
        forced = replace(state, forced=True)
        return (forced, ()) if state.transcribing else _transcribe(forced, rules)
    return _calm(state)


def _open_turn(state: TurnState, sample: int) -> Step:
    opened = replace(
        state,
        phase=Phase.HEARING,
        turn=state.turn + 1,
        revision=0,
        first_sample=sample,
        end_sample=sample,
        speech_samples=0,
        transcript=None,
        transcribing=False,
        forced=False,
    )
    return opened, (effects.OpenTurn(opened.turn, sample),)


def _after_reply(state: TurnState, ending: effects.Effect) -> Step:
    """The reply that could be heard is over."""
    over = replace(state, phase=Phase.LISTENING, reply=None, onset=None)
    if state.onset is None:
        return over, (ending,)
    # Somebody began to speak over the last words: that is the next turn.
    opened, steps = _open_turn(over, state.onset)
    return opened, (ending, *steps)


def _calm(state: TurnState) -> Step:
    """What began during a reply was not meant for us: the reply is heard as before."""
    if state.onset is None or state.reply is None:
        return state, ()
    calm = effects.ReleaseReply if state.phase is Phase.THINKING else effects.Restore
    return replace(state, onset=None), (calm(state.reply),)


def _go_on(state: TurnState) -> Step:
    """The speaker had only paused."""
    revised = replace(
        state,
        phase=Phase.HEARING,
        revision=state.revision + 1,
        transcript=None,
        transcribing=False,
        forced=False,
    )
    return revised, (effects.Discard(state.turn),)


def _force(state: TurnState, rules: TurnRules) -> Step:
    """End the running utterance where it stands."""
    heard = state.now - state.first_sample
    paused = replace(
        state, phase=Phase.PAUSED, end_sample=state.now, speech_samples=heard, transcript=None, forced=True
    )
    transcribing, steps = _transcribe(paused, rules)
    return transcribing, (effects.Pause(state.turn, state.now), *steps)


def _transcribe(state: TurnState, rules: TurnRules) -> Step:
    if _ms(state.speech_samples) < rules.least_speech_ms:
        return _back_to_before(state)
    asked = effects.Transcribe(state.turn, state.revision, state.first_sample, state.end_sample)
    return replace(state, transcribing=True), (asked,)


def _stale(event: Transcribed | TranscriptionFailed, state: TurnState) -> bool:
    return state.phase is not Phase.PAUSED or (event.turn, event.revision) != (state.turn, state.revision)


def _end_turn(state: TurnState) -> Step:
    assert state.transcript is not None
    if not state.transcript.text:
        return _back_to_before(state)
    if state.reply is None:
        return _start_reply(state, state.transcript.text)
    # A real interruption: the suspended reply ends where it was cut, before the new one begins.
    ended = effects.CancelReply(state.reply)
    started, steps = _start_reply(replace(state, reply=None, suspended=False), state.transcript.text)
    return started, (ended, *steps)


def _start_reply(state: TurnState, text: str) -> Step:
    reply_id = state.replies + 1
    started = replace(state, phase=Phase.THINKING, replies=reply_id, reply=reply_id, onset=None, forced=False)
    return started, (effects.StartReply(reply_id, state.turn, state.revision, text),)


def _back_to_before(state: TurnState) -> Step:
    """Nothing was said: a suspended reply goes on, otherwise we listen."""
    steps = (effects.Discard(state.turn), effects.CloseTurn(state.turn))
    if state.reply is not None and state.suspended:
        resumed = replace(state, phase=Phase.SPEAKING, suspended=False, onset=None)
        return resumed, (*steps, effects.ResumeReply(state.reply))
    return replace(state, phase=Phase.LISTENING), steps


def _ms(samples: int) -> int:
    return samples * 1000 // SPEECH_RATE_HZ
