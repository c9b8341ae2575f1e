"""Which tokens go into the next batch: decided here, evaluated by the scheduler. Layer 3.

Every answer that is being written gets its one token; prompts share a small quantum, the most urgent
first. A prompt costs 4 to 8 ms per token on a small processor, however it is cut, so a quantum bounds how
long anybody waits: an answer for its next token, another engine for its core, a cancellation for its
effect.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from aura_local.adapters.chat_template import Prompt
from aura_local.adapters.llama_context import BatchToken
from aura_local.adapters.llama_generation import Generation
from aura_local.adapters.llama_sequences import CachedSequence
from aura_local.ports import Priority

PROMPT_QUANTUM_TOKENS: Final = 16
"""Prompt tokens per batch."""

DEFERENTIAL_QUANTUM_TOKENS: Final = 8
"""Prompt tokens per batch while a more urgent answer is being written, and of prompts that are only
warmed up: the real question must not wait behind them."""


class Vocabulary(Protocol):
    """What the scheduler asks of a model's tokens."""

    def piece(self, token: int) -> bytes: ...

    def ends(self, token: int) -> bool: ...


@dataclass(slots=True, eq=False)
class LiveGeneration:
    """A generation that holds a sequence; touched by the scheduler's thread only."""

    generation: Generation
    sequence: CachedSequence
    prompt: Prompt
    arrival: int
    written: list[int] = field(default_factory=list)
    """Ids generated so far; the last one is not evaluated yet."""
    text: str = ""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    @property
    def urgency(self) -> tuple[Priority, int]:
        return (self.generation.caller.priority, self.arrival)

    @property
    def prompt_left(self) -> int:
        """Tokens of the prompt that are not evaluated yet."""
        return max(0, len(self.prompt.tokens) - len(self.sequence.tokens))

    def runnable(self, *, crowded: bool) -> bool:
        """Whether it can go on. An answer far ahead of its reader pauses, unless others wait for its room."""
        return self.prompt_left > 0 or crowded or self.generation.has_room

    def next_tokens(self, count: int) -> list[int]:
        """The ids to evaluate next: `count` of the prompt, or the one written last."""
        if self.prompt_left == 0:
            return self.written[-1:]
        start = len(self.sequence.tokens)
        return self.prompt.tokens[start : start + count]

    def write(self, token: int, vocabulary: Vocabulary) -> bool:
        """Take the model's next token; True when the answer is complete with it."""
        if vocabulary.ends(token):
            return True
        self.written.append(token)
        self.generation.count(generated=1)
        piece = self._decoder.decode(vocabulary.piece(token))  # holds back half a character
        if piece:
            self.text += piece
            self.generation.send(piece)
        return len(self.written) >= self.generation.answer_tokens


@dataclass(frozen=True, slots=True)
class Share:
    """What one generation gets of a batch."""

    live: LiveGeneration
    tokens: list[int]
    predicts: bool
    """Whether the token after its last one is wanted."""

    def batch_tokens(self) -> list[BatchToken]:
        sequence = self.live.sequence
        last = len(self.tokens) - 1
        return [
            BatchToken(sequence.number, len(sequence.tokens) + place, token, self.predicts and place == last)
            for place, token in enumerate(self.tokens)
        ]


def plan_batch(live: Sequence[LiveGeneration], *, crowded: bool) -> list[Share]:
    """The shares of the next batch, most urgent first; empty when nobody can go on.

    `crowded` says that requests wait for a sequence or for room, so that nobody may pause.
    """
    shares = []
    prompt_quantum = PROMPT_QUANTUM_TOKENS
    for one in sorted(live, key=lambda one: one.urgency):
        if one.prompt_left == 0:
            if one.runnable(crowded=crowded):
                shares.append(Share(one, one.next_tokens(1), predicts=True))
            continue
        urgent = any(
            share.live.prompt_left == 0 and share.live.urgency[0] < one.urgency[0] for share in shares
        )
        if urgent or one.urgency[0] == Priority.BACKGROUND:
            prompt_quantum = min(prompt_quantum, DEFERENTIAL_QUANTUM_TOKENS)
        tokens = one.next_tokens(prompt_quantum)
        if tokens:
            prompt_quantum -= len(tokens)
            predicts = one.generation.answer_tokens > 0 and len(tokens) == one.prompt_left
            shares.append(Share(one, tokens, predicts))
    return shares
