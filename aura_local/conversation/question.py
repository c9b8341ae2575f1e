"""What is asked: everything an answer depends on besides the documents. Layer 2."""

from __future__ import annotations

from dataclasses import dataclass

from aura_local.conversation.prompt import Exchange
from aura_local.conversation.self_contained import self_contained
from aura_local.ports import Caller


@dataclass(frozen=True, slots=True)
class Question:
    """A question in its conversation."""

    text: str
    conversation_id: str
    """Key of the prompt cache: one per tenant and session."""
    history: tuple[Exchange, ...]
    caller: Caller
    language: str = "en"

    @property
    def searched(self) -> str:
        """What is searched for: the text with what it leaves to the conversation put in."""
        return self_contained(self.text, self.history, self.language)
