"""The extractive answerer: quotes the best sentences of the retrieved passages, invents nothing. Layer 3.

The right choice where no capable language model is installed: a very small one makes things up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from aura_local.adapters.answer_types import asked_for, holds
from aura_local.adapters.registry import AdapterContext
from aura_local.ports import (
    Caller,
    Conversation,
    EngineDescription,
    GenerationLimits,
    GenerationUsage,
    GroundingSentence,
    TextStream,
)

DECLINE: Final = "That is not in the documents I have."
LEAST_SIMILARITY: Final = 0.35
"""Below it a sentence is not about the question (cosine of MiniLM): a floor only, since the retriever has
decided already whether the documents answer.

On the museum's 108 questions, worded as one types and as one speaks: 108 and 106 right at 0.5, 108 and 108 at
0.4 and below. Of 25 that it does not answer 20 and 23 are declined at any of these.
"""

_FRAGMENT_WORDS: Final = 5
"""A shorter sentence ("Yes, free of charge.") needs the next one to be understood."""
_ADDITION_WORDS: Final = 20
"""A longer second sentence makes a spoken answer tiring."""
_CLOSE_SIMILARITY: Final = 0.1
_RIGHT_KIND: Final = 0.05
"""What it is worth, as similarity, that a sentence holds a number when one is asked for."""


def choose_sentences(
    grounding: Sequence[GroundingSentence],
    *,
    question: str = "",
    least_similarity: float = LEAST_SIMILARITY,
) -> tuple[GroundingSentence, ...]:
    """The one or two sentences that answer, best first; empty when none is similar enough.

    Of about equally similar ones, that which holds what is asked for (a number, time, person or place).

    A second sentence is added only if it is from the same passage, and either short and about as similar
    as the best one, or needed because the best one is a fragment.
    """
    ranked = sorted(grounding, key=lambda sentence: -sentence.similarity)
    # A question in a document is nearest to the one that was asked, and says nothing.
    ranked = [one for one in ranked if not one.text.rstrip().endswith("?")] or ranked
    if not ranked or ranked[0].similarity < least_similarity:
        return ()
    best = _best(ranked, question, least_similarity)
    following = next((one for one in ranked if one.citation == best.citation and one.text != best.text), None)
    if following is None:
        return (best,)
    fragment = _words(best) < _FRAGMENT_WORDS
    close = best.similarity - following.similarity <= _CLOSE_SIMILARITY
    if fragment or (
        close and _words(following) <= _ADDITION_WORDS and following.similarity >= least_similarity
    ):
        return (best, following)
    return (best,)


def _best(ranked: Sequence[GroundingSentence], question: str, least_similarity: float) -> GroundingSentence:
    """`ranked` most similar first, the first one similar enough."""
    kind = asked_for(question)

    def worth(sentence: GroundingSentence) -> float:
        return sentence.similarity + (_RIGHT_KIND if kind is not None and holds(sentence.text, kind) else 0.0)

    return max((one for one in ranked if one.similarity >= least_similarity), key=worth)


class ExtractiveModel:
    """`ports.LanguageModel` without a model: needs no lane and no memory."""

    def __init__(
        self,
        description: EngineDescription,
        *,
        least_similarity: float = LEAST_SIMILARITY,
        decline: str = DECLINE,
    ) -> None:
        self._description = description
        self._least_similarity = least_similarity
        self._decline = decline

    @property
    def description(self) -> EngineDescription:
        return self._description

    def stream(
        self, conversation: Conversation, limits: GenerationLimits, *, caller: Caller
    ) -> AbstractAsyncContextManager[TextStream]:
        """Answer from the conversation's grounding, a sentence a piece. The limits never bind."""
        chosen = choose_sentences(
            conversation.grounding,
            question=conversation.question,
            least_similarity=self._least_similarity,
        )
        sentences = [sentence.text.strip() for sentence in chosen] or [self._decline]
        return _streaming(sentences)

    async def prepare(self, conversation: Conversation, *, caller: Caller) -> GenerationUsage:
        return GenerationUsage()

    async def forget(self, conversation_id: str) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is held."""


class _Sentences:
    """A `ports.TextStream` over text that is there already; joined, the pieces are the answer."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self._pieces = iter([sentences[0], *(f" {sentence}" for sentence in sentences[1:])])

    @property
    def usage(self) -> GenerationUsage:
        return GenerationUsage()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


@asynccontextmanager
async def _streaming(sentences: Sequence[str]) -> AsyncIterator[TextStream]:
    yield _Sentences(sentences)


def open_adapter(context: AdapterContext) -> ExtractiveModel:
    """Options: `least_similarity` (cosine in [-1, 1]) and `decline` (the sentence said instead)."""
    return ExtractiveModel(
        EngineDescription(
            engine="extractive", model=context.model, synthetic=context.synthetic, note=context.note
        ),
        least_similarity=float(context.options.get("least_similarity", LEAST_SIMILARITY)),
        decline=str(context.options.get("decline", DECLINE)),
    )


def _words(sentence: GroundingSentence) -> int:
    return len(sentence.text.split())
