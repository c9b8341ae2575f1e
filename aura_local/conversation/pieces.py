"""Generated text in the pieces in which it is checked and said. Layer 2."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from aura_local.conversation.quotation import speakable
from aura_local.conversation.sentences import ClauseSplitter
from aura_local.ports import TextStream


def shortened(sentence: str, question: str) -> str:
    """The sentence as it may be said; the spaces around it, which separate it from others, stay."""
    return sentence.replace(sentence.strip(), speakable(sentence, question))


async def and_end(stream: TextStream) -> AsyncGenerator[str | None, None]:
    """The pieces, then None."""
    async for piece in stream:
        yield piece
    yield None


async def pieces_of(stream: TextStream, splitter: ClauseSplitter) -> AsyncGenerator[str, None]:
    """What the splitter makes of a stream."""
    async for piece in stream:
        for ready in splitter.push(piece):
            yield ready
    for ready in splitter.finish():
        yield ready
