"""The audio of one reply and the ledger of which words lie where in it.

The history keeps what was heard, not what was generated: `heard_text` maps a position in the audio back
to the words that had been spoken by then.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import anyio
import numpy as np

from aura_local.ports import Samples

CHUNK_MS = 100
"""Audio handed to the sink at once: small enough to be cut, large enough not to be chatty."""
SILENCE_LEVEL = 10 ** (-45 / 20)
"""Amplitude below which a sample counts as silence between words (-45 dBFS)."""


@dataclass(slots=True)
class _Clause:
    text: str
    first_sample: int
    end_sample: int
    voiced_end_sample: int
    """Where the last word ends; the silence after it belongs to no word."""
    lengths: tuple[int, ...]
    """Letters that were said for each word of the text."""


class ReplyAudio:
    """Grows while the voice speaks and is read by whoever plays it; kept whole to go on after a cut."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._pieces: list[Samples] = []
        self._clauses: list[_Clause] = []
        self._length = 0
        self._finished = False
        self._grown = anyio.Event()

    @property
    def length_samples(self) -> int:
        return self._length

    @property
    def finished(self) -> bool:
        """Nothing will be added any more."""
        return self._finished

    def begin_clause(self, text: str, lengths: Sequence[int] = ()) -> None:
        """The samples added from now on speak `text`.

        `lengths`: letters said for each word of it, where that is not how it is written: "£12.50" takes
        as long as "twelve pounds fifty".
        """
        letters = tuple(lengths) or tuple(len(word) for word in text.split())
        self._clauses.append(_Clause(text, self._length, self._length, self._length, letters))

    def add(self, samples: Samples) -> None:
        """Append samples (shape (n,), float32) of the clause that was begun last."""
        if not len(samples):
            return
        clause = self._clauses[-1]
        voiced = np.flatnonzero(np.abs(samples) > SILENCE_LEVEL)
        if len(voiced):
            clause.voiced_end_sample = self._length + int(voiced[-1]) + 1
        self._pieces.append(samples)
        self._length += len(samples)
        clause.end_sample = self._length
        self._signal()

    def finish(self) -> None:
        self._finished = True
        self._signal()

    async def read(self, first_sample: int) -> AsyncGenerator[tuple[int, Samples], None]:
        """Pieces of at most 100 ms from a position on, with their positions, until the reply's end."""
        chunk = self.sample_rate_hz * CHUNK_MS // 1000
        position = first_sample
        while True:
            grown = self._grown
            if position < self._length:
                samples = self._slice(position, position + chunk)
                yield position, samples
                position += len(samples)
            elif self._finished:
                return
            else:
                await grown.wait()

    def heard_text(self, heard_samples: int) -> str:
        """The words that lie before a position, spoken wholly or for the most part.

        Inside a clause, time is shared out by the letters of the words: a good measure for a voice
        of even pace, and never more than a word off where the pace varies.
        """
        heard: list[str] = []
        for clause in self._clauses:
            if heard_samples <= clause.first_sample:
                break
            if clause.end_sample == clause.first_sample:
                continue
            if heard_samples >= clause.voiced_end_sample:
                heard.append(clause.text.strip())
            else:
                spoken = heard_samples - clause.first_sample
                share = spoken / (clause.voiced_end_sample - clause.first_sample)
                heard.append(_words_within(clause.text, clause.lengths, share))
        return " ".join(part for part in heard if part)

    def _slice(self, first: int, end: int) -> Samples:
        parts: list[Samples] = []
        start = 0
        for piece in self._pieces:
            if start < end and start + len(piece) > first:
                parts.append(piece[max(first - start, 0) : end - start])
            start += len(piece)
        return np.concatenate(parts)

    def _signal(self) -> None:
        self._grown.set()
        self._grown = anyio.Event()


def _words_within(text: str, lengths: Sequence[int], share: float) -> str:
    total = sum(length + 1 for length in lengths)
    kept: list[str] = []
    passed = 0
    for word, length in zip(text.split(), lengths, strict=True):
        middle = passed + (length + 1) / 2
        if middle > share * total:
            break
        kept.append(word)
        passed += length + 1
    return " ".join(kept)
