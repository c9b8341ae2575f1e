"""The prompt cache on a scripted context: what is evaluated, who shares what, who makes room."""

from __future__ import annotations

import pytest

from aura_local.adapters.llama_context import NO_ROOM
from aura_local.errors import PayloadTooLarge
from aura_local.ports import Caller, GenerationUsage, Message, Priority
from tests.adapters.scheduler_desk import (
    ANN,
    BOB,
    LONG,
    SYSTEM_TOKENS,
    asking,
    begun,
    opened_desk,
    turn_tokens,
)

pytestmark = pytest.mark.anyio


async def test_the_second_question_evaluates_only_what_is_new() -> None:
    async with opened_desk() as desk:
        answer, usage = await desk.ask(asking("one"))
        assert answer == "You said one"
        assert usage == GenerationUsage(SYSTEM_TOKENS + turn_tokens("one"), 0, len(answer))

        history = (Message("user", "one"), Message("assistant", answer))
        _, usage = await desk.ask(asking("two", *history))
        # Every token of the answer was evaluated, the last one to learn that it is the last.
        assert usage.prompt_tokens_reused == SYSTEM_TOKENS + turn_tokens("one") + len(answer)
        assert usage.prompt_tokens_evaluated == len(">\n") + turn_tokens("two")


async def test_the_same_prompt_again_evaluates_one_token() -> None:
    async with opened_desk() as desk:
        _, first = await desk.ask(asking("one"))
        again, usage = await desk.ask(asking("one"))
        assert again == "You said one"
        assert usage.prompt_tokens_evaluated == 1
        assert usage.prompt_tokens_reused == first.prompt_tokens_evaluated - 1


async def test_what_was_prepared_is_not_evaluated_again() -> None:
    async with opened_desk() as desk:
        prepared = await desk.prepare(asking("when does it"))
        assert prepared.prompt_tokens_evaluated == SYSTEM_TOKENS + len("<user\nwhen does it")
        assert prepared.generated_tokens == 0
        grown = await desk.prepare(asking("when does it open"))
        assert grown.prompt_tokens_evaluated == len(" open")
        changed = await desk.prepare(asking("when does it close"))
        assert changed.prompt_tokens_evaluated == len("close")
        answer, usage = await desk.ask(asking("when does it close"))
        assert answer == "You said when does it close"
        assert usage.prompt_tokens_evaluated == len(">\n<assistant\n")


async def test_tenants_share_the_system_message_and_nothing_else() -> None:
    async with opened_desk() as desk:
        await desk.ask(asking("secret"), ANN)
        answer, usage = await desk.ask(asking("secret"), BOB)
        assert answer == "You said secret"
        assert usage.prompt_tokens_reused == SYSTEM_TOKENS
        assert usage.prompt_tokens_evaluated == turn_tokens("secret")


async def test_twenty_conversations_pass_through_two_sequences() -> None:
    async with opened_desk(sequences=2) as desk:
        for number in range(20):
            conversation = asking(LONG, conversation_id=f"c{number}")
            async with desk.stream(conversation, Caller(f"tenant {number}", Priority.CHAT)) as generation:
                assert await begun(generation) == "Y"
        answer, _ = await desk.ask(asking("last"))
        assert answer == "You said last"
        assert len(desk.context.used_cells()) <= 2 * (SYSTEM_TOKENS + turn_tokens(LONG) + 50)


async def test_a_context_without_cells_evicts_what_is_idle_and_tries_again() -> None:
    async with opened_desk() as desk:
        await desk.ask(asking("idle", conversation_id="idle"))
        desk.context.failures = [NO_ROOM]
        answer, _ = await desk.ask(asking("one"))
        assert answer == "You said one"
        _, usage = await desk.ask(asking("idle", conversation_id="idle"))
        assert usage.prompt_tokens_reused == SYSTEM_TOKENS


async def test_the_oldest_idle_conversation_makes_room() -> None:
    long = "x" * 100
    needed = SYSTEM_TOKENS + turn_tokens(long) + 120
    async with opened_desk(capacity_tokens=2 * needed) as desk:
        for name in ("first", "second", "third"):
            await desk.ask(asking(long, conversation_id=name), answer_tokens=120)
        _, usage = await desk.ask(asking(long, conversation_id="third"), answer_tokens=120)
        assert usage.prompt_tokens_evaluated == 1
        _, usage = await desk.ask(asking(long, conversation_id="first"), answer_tokens=120)
        assert usage.prompt_tokens_evaluated == turn_tokens(long)


async def test_an_answer_that_does_not_fit_beside_others_waits_for_them() -> None:
    needed = SYSTEM_TOKENS + turn_tokens(LONG) + 200
    async with (
        opened_desk(capacity_tokens=needed + 100) as desk,
        desk.stream(asking(LONG), answer_tokens=200) as running,
        desk.stream(asking(LONG, conversation_id="d"), BOB, answer_tokens=200) as waiting,
    ):
        await begun(waiting)
        assert running.usage.generated_tokens == len("You said " + LONG)


async def test_preparing_gives_up_where_an_answer_would_wait() -> None:
    needed = SYSTEM_TOKENS + turn_tokens(LONG) + 200
    async with (
        opened_desk(capacity_tokens=needed + 100) as desk,
        desk.stream(asking(LONG), answer_tokens=200) as running,
    ):
        await begun(running)
        assert await desk.prepare(asking(LONG, conversation_id="d"), BOB) == GenerationUsage()


async def test_a_prompt_larger_than_the_context_is_refused() -> None:
    async with opened_desk(capacity_tokens=200) as desk:
        with pytest.raises(PayloadTooLarge, match="holds 200"):
            await desk.ask(asking("x" * 150), answer_tokens=100)
        answer, _ = await desk.ask(asking("short"), answer_tokens=50)
        assert answer == "You said short"


async def test_a_forgotten_conversation_starts_anew() -> None:
    async with opened_desk() as desk:
        await desk.ask(asking("one"))
        desk.scheduler.forget("c")
        _, usage = await desk.ask(asking("one"))
        assert usage.prompt_tokens_reused == SYSTEM_TOKENS
