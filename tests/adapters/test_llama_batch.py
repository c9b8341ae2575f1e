"""The plan of a batch: one token per answer, a bounded quantum of prompts, the most urgent first."""

from __future__ import annotations

import pytest

from aura_local.adapters.chat_template import Prompt
from aura_local.adapters.llama_batch import (
    DEFERENTIAL_QUANTUM_TOKENS,
    PROMPT_QUANTUM_TOKENS,
    LiveGeneration,
    plan_batch,
)
from aura_local.adapters.llama_generation import READ_AHEAD_PIECES, Generation
from aura_local.adapters.llama_sequences import CachedSequence
from aura_local.ports import Caller, Conversation, Message, Priority

pytestmark = pytest.mark.anyio  # a generation belongs to an event loop


def live(
    arrival: int,
    *,
    prompt: int,
    evaluated: int = 0,
    priority: Priority = Priority.VOICE,
    answer_tokens: int = 10,
) -> LiveGeneration:
    generation = Generation(
        Conversation("c", (Message("user", "q"),), "q"),
        answer_tokens=answer_tokens,
        finished=answer_tokens > 0,
        caller=Caller("tenant", priority),
        wake=lambda: None,
    )
    sequence = CachedSequence(arrival + 1, tokens=list(range(evaluated)))
    one = LiveGeneration(generation, sequence, Prompt(list(range(prompt)), 0), arrival)
    if evaluated >= prompt:
        one.written.append(77)
    return one


async def test_prompts_share_one_quantum_in_order_of_urgency() -> None:
    chat = live(0, prompt=100, priority=Priority.CHAT)
    voice = live(1, prompt=10)
    shares = plan_batch([chat, voice], crowded=False)
    assert [(share.live, len(share.tokens), share.predicts) for share in shares] == [
        (voice, 10, True),
        (chat, PROMPT_QUANTUM_TOKENS - 10, False),
    ]


async def test_what_is_only_warmed_up_takes_small_steps() -> None:
    shares = plan_batch([live(0, prompt=100, priority=Priority.BACKGROUND)], crowded=False)
    assert [len(share.tokens) for share in shares] == [DEFERENTIAL_QUANTUM_TOKENS]


async def test_a_prompt_steps_back_for_a_more_urgent_answer() -> None:
    answer, chat = live(0, prompt=5, evaluated=5), live(1, prompt=100, priority=Priority.CHAT)
    shares = plan_batch([chat, answer], crowded=False)
    assert [(share.live, len(share.tokens)) for share in shares] == [
        (answer, 1),
        (chat, DEFERENTIAL_QUANTUM_TOKENS),
    ]
    equal = plan_batch([answer, live(1, prompt=100)], crowded=False)
    assert [len(share.tokens) for share in equal] == [1, PROMPT_QUANTUM_TOKENS]


async def test_the_next_token_is_wanted_only_where_an_answer_begins_or_goes_on() -> None:
    preparing = live(0, prompt=4, answer_tokens=0)
    answering = live(1, prompt=9, evaluated=6)
    writing = live(2, prompt=5, evaluated=5)
    shares = plan_batch([preparing, answering, writing], crowded=False)
    wanted = {share.live.arrival: [token.predicts for token in share.batch_tokens()] for share in shares}
    assert wanted == {0: [False] * 4, 1: [False, False, True], 2: [True]}
    positions = {share.live.arrival: [token.position for token in share.batch_tokens()] for share in shares}
    assert positions == {0: [0, 1, 2, 3], 1: [6, 7, 8], 2: [5]}


async def test_an_answer_ahead_of_its_reader_pauses_unless_others_wait() -> None:
    ahead = live(0, prompt=5, evaluated=5)
    for _ in range(READ_AHEAD_PIECES):
        ahead.generation.send("x")
    assert plan_batch([ahead], crowded=False) == []
    assert len(plan_batch([ahead], crowded=True)) == 1
    assert await anext(ahead.generation) == "x"
    assert len(plan_batch([ahead], crowded=False)) == 1
