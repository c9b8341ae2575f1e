"""What the language model is told. Pure.

The order is chosen for the prompt cache: the system text never changes, earlier exchanges only grow, and
the passages stand inside the newest message, before the question, so that they can be evaluated while
the question is still being spoken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.conversation.grounding import Grounding, Passage, near_best
from aura_local.ports import Conversation, Message

SYSTEM_TEXT: Final = (
    "You answer visitors aloud, in one short sentence. The user gives facts, then asks a question. "
    "Answer in the words of the facts. Use only the facts."
)


SENTENCES_AT_MOST: Final = 3
"""Sentences shown instead of whole passages."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One earlier question with what was heard of its answer."""

    question: str
    heard_answer: str


@dataclass(frozen=True, slots=True)
class PromptSettings:
    exchanges: int = 4
    """Earlier exchanges the model is shown; none for models too small to profit."""
    passages: int = 8
    """Whole passages the model is shown; 0 shows only the sentences nearest to the question. Every token
    costs 4-8 ms on two cores, and a very small model is better off with less."""


def build_conversation(
    conversation_id: str,
    question: str,
    grounding: Grounding,
    history: Sequence[Exchange],
    settings: PromptSettings,
    *,
    searched: str = "",
) -> Conversation:
    """The whole prompt for one answer; the same inputs always give the same text.

    `searched` is the question with what it leaves to the conversation put in, if it leaves anything. A
    model that is not shown the conversation is asked that one; answers are checked against it always.
    """
    messages = [Message("system", SYSTEM_TEXT)]
    shown = history[-settings.exchanges :] if settings.exchanges else ()
    for exchange in shown:
        messages.append(Message("user", exchange.question))
        messages.append(Message("assistant", exchange.heard_answer))
    whole = searched or question
    messages.append(Message("user", _newest_message(question if shown else whole, grounding, settings)))
    return Conversation(
        id=conversation_id, messages=tuple(messages), question=whole, grounding=grounding.sentences
    )


def _newest_message(question: str, grounding: Grounding, settings: PromptSettings) -> str:
    if settings.passages:
        facts = [_fact(passage) for passage in grounding.passages[: settings.passages]]
    else:
        facts = [sentence.text for sentence in near_best(grounding.sentences)[:SENTENCES_AT_MOST]]
    return "\n".join([*facts, question])


def _fact(passage: Passage) -> str:
    """A passage below the heading it stands under, which may hold what it is about."""
    _, _, heading = passage.citation.heading.rpartition(" > ")
    return f"{heading}: {passage.text}" if heading else passage.text
