"""The same prompt for the same conversation, and a beginning that a cache can keep."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aura_local.conversation.events import Citation
from aura_local.conversation.grounding import NOTHING_FOUND, Grounding, Passage
from aura_local.conversation.prompt import (
    SENTENCES_AT_MOST,
    SYSTEM_TEXT,
    Exchange,
    PromptSettings,
    build_conversation,
)
from aura_local.ports import Conversation, GroundingSentence, Message

HISTORY = [Exchange(f"question {n}", f"answer {n}") for n in range(1, 7)]


def grounding(*texts: str) -> Grounding:
    citation = Citation("d", "hours.md", "", None, 1, 0, 10, "")
    return Grounding(
        tuple(Passage(citation, f"Passage: {text}", 1.0) for text in texts),
        tuple(GroundingSentence(text, 0.9, place) for place, text in enumerate(texts)),
        answerable=True,
    )


def build(question: str, history: list[Exchange], found: Grounding, **settings: int) -> Conversation:
    return build_conversation("a/1", question, found, history, PromptSettings(**settings))


def test_the_order_is_system_history_facts_question() -> None:
    conversation = build("When?", HISTORY[:1], grounding("We open at nine.", "We close at six."))
    assert conversation.messages == (
        Message("system", SYSTEM_TEXT),
        Message("user", "question 1"),
        Message("assistant", "answer 1"),
        Message("user", "Passage: We open at nine.\nPassage: We close at six.\nWhen?"),
    )
    assert conversation.id == "a/1"
    assert conversation.question == "When?"
    assert [sentence.text for sentence in conversation.grounding] == ["We open at nine.", "We close at six."]


def test_the_newest_exchanges_are_shown_oldest_first() -> None:
    conversation = build("When?", HISTORY, NOTHING_FOUND, exchanges=2)
    shown = [message.text for message in conversation.messages[1:-1]]
    assert shown == ["question 5", "answer 5", "question 6", "answer 6"]


def test_a_small_model_is_shown_no_history_and_only_sentences() -> None:
    texts = [f"Sentence {n}." for n in range(9)]
    conversation = build("When?", HISTORY, grounding(*texts), exchanges=0, passages=0)
    assert [message.role for message in conversation.messages] == ["system", "user"]
    assert conversation.messages[-1].text == "\n".join([*texts[:SENTENCES_AT_MOST], "When?"])


def test_passages_at_most() -> None:
    conversation = build("When?", [], grounding("one", "two", "three"), passages=2)
    assert conversation.messages[-1].text == "Passage: one\nPassage: two\nWhen?"


def test_nothing_found_leaves_the_question_alone() -> None:
    assert build("When?", [], NOTHING_FOUND).messages[-1] == Message("user", "When?")


exchanges = st.lists(st.builds(Exchange, st.text(max_size=8), st.text(max_size=8)), max_size=6)


@given(exchanges, st.integers(0, 4), st.integers(0, 3))
def test_roles_alternate_and_the_question_comes_last(
    history: list[Exchange], exchanges: int, passages: int
) -> None:
    conversation = build("When?", history, grounding("one"), exchanges=exchanges, passages=passages)
    roles = [message.role for message in conversation.messages]
    assert roles == ["system", *["user", "assistant"] * min(len(history), exchanges), "user"]
    assert conversation.messages[-1].text.endswith("When?")


@given(exchanges, st.text(max_size=20), st.text(max_size=20))
def test_what_a_cache_keeps_does_not_depend_on_the_question(
    history: list[Exchange], question: str, other: str
) -> None:
    found = grounding("one", "two")
    first, second = build(question, history, found), build(other, history, found)
    assert first.messages[:-1] == second.messages[:-1]
    facts = first.messages[-1].text.removesuffix(question)
    assert facts == second.messages[-1].text.removesuffix(other)
    assert first == build(question, list(history), found)


def test_a_longer_conversation_begins_like_the_shorter_one() -> None:
    shorter = build("When?", HISTORY[:2], NOTHING_FOUND)
    longer = build("Where?", HISTORY[:3], NOTHING_FOUND)
    assert longer.messages[:5] == shorter.messages[:5]
