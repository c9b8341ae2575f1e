"""Which conversation holds which sequence of the context: the prompt cache. Layer 3.

Every conversation has a sequence of its own, keyed by tenant and conversation, so nothing a tenant said
is ever seen by another. The one thing sequences share is the system message, which is the product's own
text: sequence 0 keeps it, and a new conversation that begins with the same ids starts from there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from aura_local.adapters.chat_template import Prompt

Owner: TypeAlias = tuple[str, str]
"""Tenant id and conversation id."""

PREFIX_SEQUENCE: Final = 0
"""Number of the sequence that keeps the system message."""

_REMEMBERED_ANSWERS: Final = 32


class SequenceMemory(Protocol):
    """The part of a context that the table moves cells in."""

    def remove(self, sequence: int, start: int = 0) -> None: ...

    def copy(self, source: int, target: int, end: int) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class SharedPrefix:
    """A system message in the context; sequences that point to the same one share its cells."""

    tokens: tuple[int, ...]


@dataclass(slots=True, eq=False)
class CachedSequence:
    """One sequence of the context and what its cells hold."""

    number: int
    owner: Owner | None = None
    tokens: list[int] = field(default_factory=list)
    """The ids whose keys and values are in the context, in order."""
    prefix: SharedPrefix | None = None
    answers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Generated ids by the text (stripped) they made, newest last."""
    busy: bool = False
    reserved_tokens: int = 0
    """Length it may grow to while busy."""
    used_at: int = 0

    @property
    def own_cells(self) -> int:
        """Cells it takes or may take, shared ones not counted."""
        shared = 0 if self.prefix is None else len(self.prefix.tokens)
        return max(len(self.tokens), self.reserved_tokens) - shared

    def remember_answer(self, text: str, tokens: Sequence[int]) -> None:
        """Keep an answer's ids, so that its text is never tokenised again."""
        self.answers.pop(text.strip(), None)
        self.answers[text.strip()] = tuple(tokens)
        while len(self.answers) > _REMEMBERED_ANSWERS:
            del self.answers[next(iter(self.answers))]


class SequenceTable:
    """Hands sequences to conversations; the least recently used idle one makes room."""

    def __init__(self, memory: SequenceMemory, *, sequences: int, capacity_tokens: int) -> None:
        """`sequences` conversations (numbers 1 and up) in `capacity_tokens` cells."""
        self._memory = memory
        self._capacity = capacity_tokens
        self._sequences = [CachedSequence(number) for number in range(1, sequences + 1)]
        self._prefix: SharedPrefix | None = None
        self._clock = itertools.count(1)

    def answers_of(self, owner: Owner) -> dict[str, tuple[int, ...]]:
        """The remembered answers of a conversation."""
        cached = self._newest(owner)
        return {} if cached is None else cached.answers

    def claim(
        self, owner: Owner, prompt: Prompt, *, reserved_tokens: int, keep_last: bool
    ) -> CachedSequence | None:
        """A sequence for `prompt` that already holds as much of its beginning as is known.

        `reserved_tokens` is the length it may grow to. `keep_last` leaves the last token to be evaluated,
        whose prediction is wanted. None when too many others are busy at the moment.
        """
        chosen = self._idle_for(owner)
        if chosen is None or not self._make_room(reserved_tokens, keep=chosen):
            return None
        newest = self._newest(owner)
        if chosen.owner != owner:
            self._clear(chosen)
            chosen.owner = owner
            if newest is not None:  # the conversation is at work on another sequence, too
                chosen.answers = dict(newest.answers)
        reusable = prompt.tokens[:-1] if keep_last else prompt.tokens
        self._cut(chosen, _common(chosen.tokens, reusable))
        self._start_from_prefix(chosen, reusable)
        chosen.busy, chosen.reserved_tokens, chosen.used_at = True, reserved_tokens, next(self._clock)
        return chosen

    def share_system_message(self, cached: CachedSequence, system_tokens: int) -> None:
        """Keep the system message that `cached` has evaluated for the conversations to come."""
        tokens = tuple(cached.tokens[:system_tokens])
        if not tokens or (self._prefix is not None and self._prefix.tokens == tokens):
            return
        self._memory.remove(PREFIX_SEQUENCE)
        self._memory.copy(cached.number, PREFIX_SEQUENCE, len(tokens))
        self._prefix = cached.prefix = SharedPrefix(tokens)

    def release(self, cached: CachedSequence) -> None:
        """The work on a sequence has ended; what it holds stays until somebody needs the room."""
        cached.busy, cached.reserved_tokens, cached.used_at = False, 0, next(self._clock)
        if cached.owner is None:  # forgotten meanwhile
            self._clear(cached)
        for other in self._sequences:
            if other is not cached and not other.busy and other.owner == cached.owner:
                self._clear(other)

    def drop(self, cached: CachedSequence) -> None:
        """Forget a sequence whose evaluation failed: what its cells hold is unknown."""
        self._clear(cached)
        cached.busy, cached.reserved_tokens = False, 0

    def forget(self, conversation_id: str) -> None:
        """Drop what is cached of a conversation; a busy sequence is dropped when it is released."""
        for cached in self._sequences:
            if cached.owner is not None and cached.owner[1] == conversation_id:
                if cached.busy:
                    cached.owner = None
                else:
                    self._clear(cached)

    def evict_idle(self) -> bool:
        """Make all the room that can be made; False when there was nothing to evict."""
        idle = [cached for cached in self._sequences if not cached.busy and cached.tokens]
        for cached in idle:
            self._clear(cached)
        return bool(idle)

    def _idle_for(self, owner: Owner) -> CachedSequence | None:
        idle = [cached for cached in self._sequences if not cached.busy]
        return min(
            idle,
            key=lambda cached: (cached.owner != owner, cached.owner is not None, cached.used_at),
            default=None,
        )

    def _newest(self, owner: Owner) -> CachedSequence | None:
        owned = [cached for cached in self._sequences if cached.owner == owner]
        return max(owned, key=lambda cached: cached.used_at, default=None)

    def _make_room(self, wanted_tokens: int, *, keep: CachedSequence) -> bool:
        """Evict idle sequences, oldest first, then the system message, until the tokens fit."""
        for step in self._evictions(keep):
            if self._cells_without(keep) + wanted_tokens <= self._capacity:
                return True
            if step is None:
                self._memory.remove(PREFIX_SEQUENCE)
                self._prefix = None
            else:
                self._clear(step)
        return self._cells_without(keep) + wanted_tokens <= self._capacity

    def _evictions(self, keep: CachedSequence) -> Iterator[CachedSequence | None]:
        idle = [cached for cached in self._sequences if not cached.busy and cached is not keep]
        yield from sorted(idle, key=lambda cached: cached.used_at)
        yield None

    def _cells_without(self, candidate: CachedSequence) -> int:
        """Cells in use or promised, `candidate`'s own ones not counted."""
        others = [cached for cached in self._sequences if cached is not candidate]
        prefixes = {cached.prefix for cached in others} | {self._prefix}
        shared = sum(len(prefix.tokens) for prefix in prefixes if prefix is not None)
        return shared + sum(cached.own_cells for cached in others)

    def _start_from_prefix(self, cached: CachedSequence, reusable: Sequence[int]) -> None:
        prefix = self._prefix
        if prefix is None or len(cached.tokens) >= len(prefix.tokens):
            return
        if _common(prefix.tokens, reusable) == len(prefix.tokens):
            self._memory.remove(cached.number)
            self._memory.copy(PREFIX_SEQUENCE, cached.number, len(prefix.tokens))
            cached.tokens = list(prefix.tokens)
            cached.prefix = prefix

    def _cut(self, cached: CachedSequence, length: int) -> None:
        if length < len(cached.tokens):
            self._memory.remove(cached.number, length)
            del cached.tokens[length:]
        if cached.prefix is not None and length < len(cached.prefix.tokens):
            cached.prefix = None

    def _clear(self, cached: CachedSequence) -> None:
        self._memory.remove(cached.number)
        cached.owner, cached.prefix = None, None
        cached.tokens.clear()
        cached.answers.clear()


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the longest common beginning."""
    for length, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return length
    return min(len(first), len(second))
