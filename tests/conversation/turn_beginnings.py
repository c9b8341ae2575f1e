"""Beginnings of tapes: how a turn comes to each of its phases."""

from __future__ import annotations

from aura_local.conversation.speech_gate import SpeechPaused, SpeechStarted, SpeechSustained
from aura_local.conversation.turn_events import (
    Event,
    ReplyAudible,
    TextEntered,
    TimePassed,
    Transcribed,
)
from aura_local.conversation.turn_state import TurnRules
from tests.support.tapes import at_ms

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
