"""A stand-in for llama.cpp: bytes for tokens, and a model that says a known thing.

It keeps cells as the real context does, refuses what the real one would refuse (a gap in a sequence, more
cells than there are), and answers every question with `You said <question>`, so a test can tell from an
answer alone what was in the memory.
"""

from __future__ import annotations

import threading

from aura_local.adapters.llama_context import NO_ROOM, BatchToken, EvaluationFailed

START, END = 256, 257
_MARKERS = {"<|im_start|>": START, "<|im_end|>": END}


class ScriptedVocabulary:
    """Token ids 0 to 255 are bytes; two more are the ChatML markers."""

    beginning: tuple[int, ...] = ()

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        tokens: list[int] = []
        while text:
            marker = next((marker for marker in _MARKERS if special and text.startswith(marker)), None)
            if marker is None:
                tokens += text[0].encode()
                text = text[1:]
            else:
                tokens.append(_MARKERS[marker])
                text = text[len(marker) :]
        return tokens

    def piece(self, token: int) -> bytes:
        return bytes([token]) if token < START else b""

    def ends(self, token: int) -> bool:
        return token == END


class ScriptedContext:
    """Cells of token sequences.

    `failures` are the statuses the next evaluations return instead; while `gate` is cleared, an
    evaluation takes for ever.
    """

    def __init__(self, capacity_tokens: int = 4096) -> None:
        self.capacity_tokens = capacity_tokens
        self.cells: dict[int, list[object]] = {}
        self.tokens: dict[int, list[int]] = {}
        self.batches: list[list[BatchToken]] = []
        self.failures: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def evaluate(self, tokens: list[BatchToken], *, threads: int) -> list[int]:
        self.gate.wait()
        if self.failures:
            raise EvaluationFailed(self.failures.pop(0))
        if len(self.used_cells()) + len(tokens) > self.capacity_tokens:
            raise EvaluationFailed(NO_ROOM)
        self.batches.append(tokens)
        predictions = []
        for item in tokens:
            held = self.tokens.setdefault(item.sequence, [])
            assert item.position == len(held), "a sequence has no gaps and no token twice"
            held.append(item.token)
            self.cells.setdefault(item.sequence, []).append(object())
            if item.predicts:
                predictions.append(_next(held))
        return predictions

    def remove(self, sequence: int, start: int = 0) -> None:
        del self.tokens.setdefault(sequence, [])[start:]
        del self.cells.setdefault(sequence, [])[start:]

    def copy(self, source: int, target: int, end: int) -> None:
        assert not self.tokens.get(target), "the target of a copy is empty"
        self.tokens[target] = self.tokens[source][:end]
        self.cells[target] = self.cells[source][:end]

    def used_cells(self) -> set[object]:
        return {cell for cells in self.cells.values() for cell in cells}


def _next(tokens: list[int]) -> int:
    """The next byte of `You said <the newest user message>`, then the end."""
    answer_start = len(tokens) - tokens[::-1].index(START)
    written = tokens[answer_start + len("assistant\n") :]
    question_end = max(place for place in range(answer_start) if tokens[place] == END)
    question_start = max(place for place in range(question_end) if tokens[place] == START)
    question = tokens[question_start + 1 + len("user\n") : question_end]
    answer: list[int] = [*b"You said ", *question, END]
    return answer[len(written)]
