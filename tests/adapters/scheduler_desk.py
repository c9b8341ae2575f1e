"""A scheduler over a scripted context, for tests."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import anyio.lowlevel

from aura_local.adapters.chat_template import ChatTemplate
from aura_local.adapters.llama_generation import Generation
from aura_local.adapters.llama_scheduler import LlamaScheduler
from aura_local.cores import CoreBudget
from aura_local.errors import LaneBusy
from aura_local.ports import Caller, Conversation, GenerationUsage, Message, Priority
from tests.adapters.scripted_llama import ScriptedContext, ScriptedVocabulary

SYSTEM = Message("system", "Be brief.")
SYSTEM_TOKENS = len("<system\nBe brief.>\n")
ANN, BOB = Caller("ann", Priority.VOICE), Caller("bob", Priority.VOICE)
LONG = "so " * 60


class Desk:
    """A scheduler over a scripted context, and the little an adapter adds to it."""

    def __init__(self, *, capacity_tokens: int = 4096, sequences: int = 4, waiting_limit: int = 8) -> None:
        vocabulary = ScriptedVocabulary()
        self.context = ScriptedContext(capacity_tokens)
        self.scheduler = LlamaScheduler(
            self.context,
            vocabulary,
            ChatTemplate(vocabulary),
            CoreBudget(1),
            sequences=sequences,
            most_threads=1,
            waiting_limit=waiting_limit,
        )

    @asynccontextmanager
    async def stream(
        self, conversation: Conversation, caller: Caller = ANN, *, answer_tokens: int = 400
    ) -> AsyncIterator[Generation]:
        generation = Generation(
            conversation,
            answer_tokens=answer_tokens,
            finished=answer_tokens > 0,
            caller=caller,
            wake=self.scheduler.wake,
        )
        with self.scheduler.serving(generation):
            yield generation

    async def ask(
        self, conversation: Conversation, caller: Caller = ANN, *, answer_tokens: int = 400
    ) -> tuple[str, GenerationUsage]:
        async with self.stream(conversation, caller, answer_tokens=answer_tokens) as generation:
            answer = "".join([piece async for piece in generation])
        return answer, generation.usage

    async def ask_until_not_busy(self, conversation: Conversation) -> None:
        while True:
            with contextlib.suppress(LaneBusy):
                await self.ask(conversation)
                return
            await anyio.lowlevel.checkpoint()

    async def prepare(self, conversation: Conversation, caller: Caller = ANN) -> GenerationUsage:
        return (await self.ask(conversation, caller, answer_tokens=0))[1]


def opened_desk(
    *, capacity_tokens: int = 4096, sequences: int = 4, waiting_limit: int = 8
) -> AbstractAsyncContextManager[Desk]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Desk]:
        desk = Desk(capacity_tokens=capacity_tokens, sequences=sequences, waiting_limit=waiting_limit)
        try:
            yield desk
        finally:
            desk.context.gate.set()
            await anyio.to_thread.run_sync(desk.scheduler.close)

    return opened()


def asking(text: str, *history: Message, conversation_id: str = "c") -> Conversation:
    return Conversation(conversation_id, (SYSTEM, *history, Message("user", text)), text)


def turn_tokens(text: str) -> int:
    """Tokens of a user message with its markers and the opening of the answer."""
    return len(f"<user\n{text}>\n<assistant\n".encode())


async def begun(generation: Generation) -> str:
    """The first piece: the generation holds a sequence now."""
    return await anext(aiter(generation))
