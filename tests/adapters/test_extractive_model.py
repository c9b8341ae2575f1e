"""The extractive answerer quotes, adds a second sentence only where it belongs, and declines."""

from __future__ import annotations

import pytest

from aura_local.adapters.extractive_model import DECLINE, choose_sentences, open_adapter
from aura_local.adapters.registry import AdapterContext
from aura_local.cores import CoreBudget
from aura_local.ports import (
    Caller,
    Conversation,
    GenerationLimits,
    GenerationUsage,
    GroundingSentence,
    LanguageModel,
    Message,
    Priority,
)

CALLER = Caller("tenant", Priority.VOICE)
OPENING = GroundingSentence("The museum opens at ten every morning.", 0.8, 0)
CLOSING = GroundingSentence("It closes at five in the evening.", 0.75, 0)


def context(**options: object) -> AdapterContext:
    return AdapterContext(model="extractive", budget=CoreBudget(1), options=options)


async def answer(grounding: tuple[GroundingSentence, ...], **options: object) -> list[str]:
    model = open_adapter(context(**options))
    question = "When does it open?"
    conversation = Conversation("c", (Message("user", question),), question, grounding)
    async with model.stream(conversation, GenerationLimits(), caller=CALLER) as stream:
        pieces = [piece async for piece in stream]
        assert stream.usage == GenerationUsage()
    return pieces


def test_a_short_close_sentence_of_the_same_passage_is_added() -> None:
    assert choose_sentences((OPENING, CLOSING)) == (OPENING, CLOSING)


@pytest.mark.parametrize(
    "second",
    [
        GroundingSentence(CLOSING.text, 0.75, 1),
        GroundingSentence(CLOSING.text, 0.6, 0),
        GroundingSentence("It closes " + "very " * 30 + "late.", 0.79, 0),
        OPENING,
    ],
    ids=["another passage", "less similar", "long", "the same again"],
)
def test_a_sentence_that_does_not_clearly_belong_is_left_out(second: GroundingSentence) -> None:
    assert choose_sentences((OPENING, second)) == (OPENING,)


def test_a_fragment_takes_the_next_sentence_of_its_passage_with_it() -> None:
    fragment = GroundingSentence("Yes, free.", 0.8, 0)
    other = GroundingSentence("Lockers cost one dollar.", 0.5, 1)
    following = GroundingSentence("Children under six enter free of charge with an adult.", 0.4, 0)
    assert choose_sentences((fragment, other, following)) == (fragment, following)


def test_the_most_similar_sentence_wins_whatever_the_order() -> None:
    assert choose_sentences((CLOSING, OPENING))[0] == OPENING


@pytest.mark.anyio
async def test_the_answer_comes_sentence_by_sentence() -> None:
    assert await answer((OPENING, CLOSING)) == [OPENING.text, " " + CLOSING.text]


@pytest.mark.anyio
async def test_it_declines_without_grounding_and_below_the_threshold() -> None:
    far = GroundingSentence("Parrots are birds.", 0.1, 0)
    assert await answer(()) == [DECLINE]
    assert await answer((far,)) == [DECLINE]
    assert await answer((far,), least_similarity=0.05) == [far.text]
    assert await answer((OPENING,), least_similarity=0.9, decline="Sorry.") == ["Sorry."]


@pytest.mark.anyio
async def test_preparing_forgetting_and_closing_are_harmless() -> None:
    model = open_adapter(context())
    assert isinstance(model, LanguageModel)
    conversation = Conversation("c", (Message("user", "a"),), "a")
    assert await model.prepare(conversation, caller=CALLER) == GenerationUsage()
    await model.forget("c")
    await model.close()
    await model.close()
