"""What the language model is told. Pure.

The order is chosen for the prompt cache: the system text never changes, earlier exchanges only grow, and
the passages stand inside the newest message, before the question, so that they can be evaluated while
the question is still being spoken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.conversation.grounding import Grounding
from aura_local.ports import Conversation, Message

SYSTEM_TEXT: Final = (
    "You answer visitors aloud. Answer in one short sentence, in the words of the facts. Use only the facts."
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One earlier question with what was heard of its answer."""

    question: str
    heard_answer: str


@dataclass(frozen=True, slots=True)
class PromptSettings:
    exchanges: int = 4
    """Earlier exchanges the model is shown; none for models too small to profit."""
    facts: int = 3
    """Sentences of the passages the model is shown; each costs 4-7 ms per token on two cores."""


def build_conversation(
    conversation_id: str,
    question: str,
    grounding: Grounding,
    history: Sequence[Exchange],
    settings: PromptSettings,
) -> Conversation:
    """The whole prompt for one answer; the same inputs always give the same text."""
    messages = [Message("system", SYSTEM_TEXT)]
    shown = history[-settings.exchanges :] if settings.exchanges else ()
    for exchange in shown:
        messages.append(Message("user", exchange.question))
        messages.append(Message("assistant", exchange.heard_answer))
    messages.append(Message("user", _newest_message(question, grounding, settings)))
    return Conversation(
        id=conversation_id, messages=tuple(messages), question=question, grounding=grounding.sentences
    )


def _newest_message(question: str, grounding: Grounding, settings: PromptSettings) -> str:
    facts = "\n".join(sentence.text for sentence in grounding.sentences[: settings.facts])
    return f"Facts:\n{facts}\nQuestion: {question}"
