"""Half a question has no answer yet: what the documents do not hold makes the session more patient."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aura_local.conversation.grounding import CLEAR_SIMILARITY
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.question_form import asks
from aura_local.conversation.speech_gate import SpeechPaused, SpeechStarted
from aura_local.conversation.turn_effects import StartReply
from aura_local.conversation.turn_events import AnswerDoubted, Event, TimePassed, Transcribed
from aura_local.conversation.turn_machine import advance
from aura_local.conversation.turn_state import Phase, TurnRules, TurnState
from tests.support.conversations import Conversation, grounding, running

RULES = TurnRules(doubted_wait_ms=700)
PAUSED_AT = 32_000
SAID: tuple[Event, ...] = (
    SpeechStarted(0),
    SpeechPaused(PAUSED_AT, PAUSED_AT),
    Transcribed(1, 0, "students pay", 200),
)


def committed(*events: Event, silence_ms: int) -> bool:
    state, started = TurnState(), False
    for event in (*SAID, *events, TimePassed(PAUSED_AT + silence_ms * 16, quiet=True)):
        state, effects = advance(state, event, RULES)
        started = started or any(isinstance(effect, StartReply) for effect in effects)
    return started


def test_without_a_doubt_the_text_alone_decides() -> None:
    assert committed(silence_ms=200)


def test_a_doubt_makes_the_turn_wait_longer_but_not_for_ever() -> None:
    assert not committed(AnswerDoubted(1, 0), silence_ms=699)
    assert committed(AnswerDoubted(1, 0), silence_ms=700)


@pytest.mark.parametrize("stale", [AnswerDoubted(1, 1), AnswerDoubted(2, 0)])
def test_a_stale_doubt_changes_nothing(stale: AnswerDoubted) -> None:
    assert committed(stale, silence_ms=200)


def test_a_doubt_never_shortens_the_wait() -> None:
    patient = Transcribed(1, 0, "and the", 1200)
    state, _ = TurnState(), ()
    for event in (*SAID[:2], patient, AnswerDoubted(1, 0)):
        state, _ = advance(state, event, RULES)
    assert state.transcript is not None
    assert state.transcript.wait_ms == 1200


@pytest.mark.anyio
async def test_a_whole_question_is_declined_at_once(memory: ConversationMemory) -> None:
    conversation = Conversation(memory, transcripts=["what is the weather like"])
    conversation.documents.found = grounding("Nothing on that.", answerable=False)
    async with running(conversation) as talk:
        await talk.speak(800)
        await talk.pause(300)
        assert talk.phase() is not Phase.PAUSED
        await talk.hear_out()


@pytest.mark.parametrize(
    ("text", "language", "question"),
    [
        ("where is the exit", "en", True),
        ("thank you where is the exit", "en", True),
        ("students pay", "en", False),
        ("a child ticket to", "en", False),
        ("you close at six?", "en", True),
        ("hello", "en", False),
        ("wo ist der ausgang", "de", True),
        ("ich möchte eine karte", "de", False),
        ("¿dónde está la salida", "es", True),
        ("missä on uloskäynti", "fi", True),
    ],
)
def test_questions_are_known_by_their_form(text: str, language: str, question: bool) -> None:
    assert asks(text, language) is question


@pytest.mark.anyio
async def test_a_session_waits_for_the_rest_of_what_the_documents_do_not_answer(
    memory: ConversationMemory,
) -> None:
    conversation = Conversation(memory, transcripts=["students pay"])
    conversation.documents.found = grounding("Nothing on that.", answerable=False)
    async with running(conversation) as talk:
        await talk.speak(800)
        await talk.pause(1100)
        assert talk.phase() is Phase.PAUSED, "an answer would have been given after 200 ms"
        await talk.pause(200)
        await talk.hear_out()


@pytest.mark.anyio
async def test_a_session_waits_too_when_the_documents_hold_nothing_clear(memory: ConversationMemory) -> None:
    """Half a statement has often something in common with a document: "my number is five three ..."."""
    conversation = Conversation(memory, transcripts=["my number is five three"])
    found = grounding("Bus number five stops at the gate.")
    vague = tuple(replace(one, similarity=CLEAR_SIMILARITY - 0.01) for one in found.sentences)
    conversation.documents.found = replace(found, sentences=vague)
    async with running(conversation) as talk:
        await talk.speak(800)
        await talk.pause(1100)
        assert talk.phase() is Phase.PAUSED
        await talk.pause(200)
        await talk.hear_out()
