"""What a language model is given, and the work an answer costs: the values that cross its port. Layer 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class GroundingSentence:
    """One sentence of a retrieved passage that an answer may rest on."""

    text: str
    similarity: float
    """Cosine similarity to the question, in [-1, 1]."""
    citation: int
    """Index of the passage it comes from, in the order of retrieval."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything a language model is given for one answer."""

    id: str
    """Key of the prompt cache; unique per tenant and session, never shared between tenants."""
    messages: tuple[Message, ...]
    """Alternating, oldest first, an optional system message in front, the newest user message last."""
    question: str
    """What the user asked, as in the newest message but without the passages."""
    grounding: tuple[GroundingSentence, ...] = ()
    """Sentences of the passages, best first; empty when the documents hold nothing on the question."""


@dataclass(frozen=True, slots=True)
class GenerationLimits:
    answer_tokens: int = 160
    """Tokens generated at most."""


@dataclass(frozen=True, slots=True)
class GenerationUsage:
    """Work counted for one generation; zero for engines without tokens."""

    prompt_tokens_evaluated: int = 0
    prompt_tokens_reused: int = 0
    generated_tokens: int = 0

    def __add__(self, other: GenerationUsage) -> GenerationUsage:
        return GenerationUsage(
            self.prompt_tokens_evaluated + other.prompt_tokens_evaluated,
            self.prompt_tokens_reused + other.prompt_tokens_reused,
            self.generated_tokens + other.generated_tokens,
        )
