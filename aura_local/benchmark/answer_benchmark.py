"""How often answers are right: generated, quoted, and drafted then checked. Typed questions, no speech."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from aura_local.accounts.principal import operator
from aura_local.benchmark.conditions import conditions
from aura_local.benchmark.questions import MuseumQuestion, answerable_questions, unanswerable_questions
from aura_local.conversation.prompt import PromptSettings
from aura_local.conversation.reply import Answer, Answering, Question
from aura_local.conversation.stopwatch import Stopwatch
from aura_local.engine import Engine
from aura_local.engine_room import EngineRoom
from aura_local.grounded_retrieval import retrieve_for
from aura_local.ports import Caller, GenerationLimits, LanguageModel, Priority
from aura_local.storage.leases import TenantHandle

Say = Callable[[str], None]


async def run_answer_benchmark(
    engine: Engine, handle: TenantHandle, room: EngineRoom, *, questions: int | None, say: Say
) -> dict[str, Any]:
    """Ask the museum's questions three ways; `questions` bounds how many of each kind. Returns the report."""
    drafting: LanguageModel = room.engine("language_model")
    quoting: LanguageModel = room.quoting()
    ways = {
        "generating": _answering(drafting, None, quoting),
        "extracting": _answering(quoting, None, quoting),
        "both": _answering(drafting, quoting, quoting),
    }
    report: dict[str, Any] = {}
    for name, answering in ways.items():
        report[name] = await _measure(engine, handle, answering, questions)
        say(f"{name}: {report[name]}")
    report["conditions"] = conditions(room.status)
    return report


def _answering(drafting: LanguageModel, quoting: LanguageModel | None, declining: LanguageModel) -> Answering:
    """As the engine composes it for very small models; without `quoting` the draft is not checked."""
    prompt = PromptSettings(exchanges=0, passages=0)
    limits = GenerationLimits(answer_tokens=48)
    return Answering(drafting=drafting, quoting=quoting, declining=declining, prompt=prompt, limits=limits)


async def _measure(
    engine: Engine, handle: TenantHandle, answering: Answering, questions: int | None
) -> Mapping[str, float | int]:
    answerable = answerable_questions()[:questions]
    unanswerable = unanswerable_questions()[:questions]
    answered = [await _ask(engine, handle, answering, question) for question in answerable]
    refused = [await _ask(engine, handle, answering, question) for question in unanswerable]
    pairs = list(zip(answerable, answered, strict=True))
    offered = [answer for answer in answered if answer.answered]
    return {
        "questions": len(answerable),
        "correct": _share([question.answered_by(answer.text) for question, answer in pairs]),
        "cited_correctly": _share([question.cited_by(answer.citations) for question, answer in pairs]),
        "replaced": _share([not answer.drafted for answer in offered]),
        "unanswerable": len(unanswerable),
        "declined": _share([not answer.citations for answer in refused]),
        "generated_tokens": sum(answer.usage.generated_tokens for answer in answered),
        "first_text_ms_p50": _median([answer.stages_ms["first_text"] for answer in offered]),
    }


async def _ask(
    engine: Engine, handle: TenantHandle, answering: Answering, question: MuseumQuestion
) -> Answer:
    retrieve = retrieve_for(engine.retriever, handle, operator(handle.id))
    asked = Question(question.typed, f"{handle.id}/benchmark", (), Caller(handle.id, Priority.CHAT))
    async with answering.open(asked, retrieve, Stopwatch()) as stream:
        async for _ in stream:
            pass
    return stream.answer


def _share(values: list[bool]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def _median(values: list[float]) -> float:
    return round(float(np.median(values)), 1) if values else 0.0
