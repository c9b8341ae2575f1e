"""The language model on llama.cpp: one model, one context, all conversations batched. Layer 3."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from aura_local.adapters.chat_template import recognise_template
from aura_local.adapters.llama_batch import PROMPT_QUANTUM_TOKENS
from aura_local.adapters.llama_context import LlamaContext
from aura_local.adapters.llama_generation import Generation
from aura_local.adapters.llama_native import LlamaWeights
from aura_local.adapters.llama_scheduler import LlamaScheduler
from aura_local.adapters.registry import AdapterContext
from aura_local.errors import InvalidRequest, ModelMissing, PayloadTooLarge
from aura_local.ports import (
    Caller,
    Conversation,
    EngineDescription,
    GenerationLimits,
    GenerationUsage,
    TextStream,
)

_DEFAULT_CONTEXT_TOKENS: Final = 4096
_DEFAULT_SEQUENCES: Final = 16

_CHARACTERS_PER_CONTEXT_TOKEN: Final = 32
"""Text longer than this per token of context is refused before it is tokenised."""


class LlamaModel:
    """`ports.LanguageModel` over a `LlamaScheduler`."""

    def __init__(
        self,
        description: EngineDescription,
        weights: LlamaWeights,
        context: LlamaContext,
        scheduler: LlamaScheduler,
    ) -> None:
        self._description = description
        self._weights = weights
        self._context = context
        self._scheduler = scheduler
        self._closing = threading.Lock()

    @property
    def description(self) -> EngineDescription:
        return self._description

    def stream(
        self, conversation: Conversation, limits: GenerationLimits, *, caller: Caller
    ) -> AbstractAsyncContextManager[TextStream]:
        """Generate an answer; an overlong conversation and a failing engine are told while reading."""
        if limits.answer_tokens < 1:
            raise InvalidRequest("An answer needs at least one token.")
        return self._stream(conversation, limits.answer_tokens, finished=True, caller=caller)

    async def prepare(self, conversation: Conversation, *, caller: Caller) -> GenerationUsage:
        """Evaluate the prompt up to the newest message's last word.

        Cancelling stops it after at most one quantum; what is evaluated by then stays in the cache.
        """
        async with self._stream(conversation, 0, finished=False, caller=caller) as generation:
            async for _ in generation:
                pass
            return generation.usage

    async def forget(self, conversation_id: str) -> None:
        self._scheduler.forget(conversation_id)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    @asynccontextmanager
    async def _stream(
        self, conversation: Conversation, answer_tokens: int, *, finished: bool, caller: Caller
    ) -> AsyncIterator[Generation]:
        self._refuse_overlong(conversation)
        generation = Generation(
            conversation,
            answer_tokens=answer_tokens,
            finished=finished,
            caller=caller,
            wake=self._scheduler.wake,
        )
        with self._scheduler.serving(generation):
            yield generation

    def _refuse_overlong(self, conversation: Conversation) -> None:
        characters = sum(len(message.text) for message in conversation.messages)
        if characters > self._context.capacity_tokens * _CHARACTERS_PER_CONTEXT_TOKEN:
            raise PayloadTooLarge(
                f"The conversation has {characters} characters; the language model's context holds "
                f"{self._context.capacity_tokens} tokens."
            )

    def _close(self) -> None:
        with self._closing:
            self._scheduler.close()
            self._context.close()
            self._weights.close()


def open_adapter(context: AdapterContext) -> LlamaModel:
    """Load the model's one .gguf file.

    Options: `context_tokens` (4096) shared by all conversations, `sequences` (16) answers at once,
    `most_threads` (all cores of the budget), `waiting_limit` (64), `flash_attention` (true: answers do
    not depend on who else talks, and the cache is half as large; false may be faster on Arm),
    `repack_weights` (true). Raises `ModelMissing`, `ModelDamaged`, `EngineUnavailable`.
    """
    options = context.options
    files = [path for name, path in sorted(context.files.items()) if name.endswith(".gguf")]
    if len(files) != 1:
        raise ModelMissing(f"The model {context.model} needs exactly one .gguf file; it has {len(files)}.")
    sequences = int(options.get("sequences", _DEFAULT_SEQUENCES))
    weights = LlamaWeights(
        files[0], model=context.model, repack_weights=bool(options.get("repack_weights", True))
    )
    memory: LlamaContext | None = None
    try:
        template = recognise_template(weights.metadata, weights, model=context.model)
        wanted_tokens = int(options.get("context_tokens", _DEFAULT_CONTEXT_TOKENS))
        memory = LlamaContext(
            weights,
            context_tokens=min(wanted_tokens, weights.trained_context_tokens),
            sequences=sequences + 1,  # and the one that keeps the system message
            batch_tokens=PROMPT_QUANTUM_TOKENS + sequences,
            flash_attention=bool(options.get("flash_attention", True)),
        )
        scheduler = LlamaScheduler(
            memory,
            weights,
            template,
            context.budget,
            sequences=sequences,
            most_threads=min(int(options.get("most_threads", context.budget.cores)), context.budget.cores),
            waiting_limit=int(options.get("waiting_limit", 64)),
        )
    except BaseException:
        if memory is not None:
            memory.close()
        weights.close()
        raise
    description = EngineDescription(
        engine="llama", model=context.model, synthetic=context.synthetic, note=context.note
    )
    return LlamaModel(description, weights, memory, scheduler)
