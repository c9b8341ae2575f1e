"""The memory of a loaded model: many sequences in one llama.cpp context, evaluated in batches. Layer 3."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from aura_local.adapters.llama_native import LlamaWeights
from aura_local.errors import AuraError, EngineUnavailable

log = logging.getLogger(__name__)

NO_ROOM = 1
"""llama_decode's status when no cells are left; the memory is as before the call."""


@dataclass(frozen=True, slots=True)
class BatchToken:
    """One token to evaluate."""

    sequence: int
    position: int
    token: int
    predicts: bool
    """Whether the token after this one is wanted."""


class EvaluationFailed(Exception):
    """llama_decode refused a batch; `status` is its return value."""

    def __init__(self, status: int) -> None:
        super().__init__(f"llama_decode returned {status}")
        self.status = status


def told(error: Exception) -> AuraError:
    """What a caller is told. Only the kind of a defect is logged: its message may quote a text."""
    if isinstance(error, AuraError):
        return error
    detail = str(error) if isinstance(error, EvaluationFailed) else type(error).__name__
    log.error("the language model failed: %s", detail)
    return EngineUnavailable("The language model failed on this answer; try again.", retryable=True)


class LlamaContext:
    """Cells for `context_tokens` tokens shared by `sequences` sequences. One thread at a time.

    With flash attention every token's result is the same bits whatever else is in the batch (measured on
    x86: with it 0.0, without it logits move by up to 0.7 with the size of the batch), so an answer does
    not depend on who else is talking; it also allows a q8_0 cache of half the size.
    """

    def __init__(
        self,
        weights: LlamaWeights,
        *,
        context_tokens: int,
        sequences: int,
        batch_tokens: int,
        flash_attention: bool = True,
    ) -> None:
        """Raises `EngineUnavailable` when the memory cannot be had."""
        import llama_cpp

        self._library: Any = llama_cpp
        self._vocabulary_tokens = weights.vocabulary_tokens
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = context_tokens
        parameters.n_batch = parameters.n_ubatch = batch_tokens
        parameters.n_seq_max = sequences
        parameters.n_outputs_max = min(sequences, batch_tokens)
        # One pool of cells: without it sequences get equal shares and prefixes cannot be shared.
        parameters.kv_unified = True
        parameters.flash_attn_type = (
            llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
            if flash_attention
            else llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
        if flash_attention:
            parameters.type_k = parameters.type_v = llama_cpp.GGML_TYPE_Q8_0
        parameters.n_threads = parameters.n_threads_batch = 1
        self._context: Any = llama_cpp.llama_init_from_model(weights.handle, parameters)
        if not self._context:
            raise EngineUnavailable(
                f"There is not enough memory for {context_tokens} tokens of context of {weights.model}."
            )
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch: Any = llama_cpp.llama_batch_init(batch_tokens, 0, 1)
        self.capacity_tokens = int(llama_cpp.llama_n_ctx(self._context))

    def evaluate(self, tokens: list[BatchToken], *, threads: int) -> list[int]:
        """Evaluate one batch; returns the most probable next token for each that `predicts`, in order.

        Raises `EvaluationFailed`; the sequences in the batch are then to be removed.
        """
        batch = self._batch
        batch.n_tokens = len(tokens)
        for place, item in enumerate(tokens):
            batch.token[place] = item.token
            batch.pos[place] = item.position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = item.sequence
            batch.logits[place] = item.predicts
        self._library.llama_set_n_threads(self._context, threads, threads)
        status = self._library.llama_decode(self._context, batch)
        if status != 0:
            raise EvaluationFailed(status)
        return [self._most_probable(place) for place, item in enumerate(tokens) if item.predicts]

    def remove(self, sequence: int, start: int = 0) -> None:
        """Forget a sequence from position `start` on."""
        self._library.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def copy(self, source: int, target: int, end: int) -> None:
        """Let `target` share the first `end` tokens of `source`; takes neither memory nor time."""
        self._library.llama_memory_seq_cp(self._memory, source, target, 0, end)

    def close(self) -> None:
        """Free the memory. Idempotent."""
        if self._context is not None:
            self._library.llama_batch_free(self._batch)
            self._library.llama_free(self._context)
            self._context = self._memory = self._batch = None

    def _most_probable(self, place: int) -> int:
        pointer = self._library.llama_get_logits_ith(self._context, place)
        if not pointer:
            raise EvaluationFailed(0)
        logits = np.ctypeslib.as_array(pointer, shape=(self._vocabulary_tokens,))
        token = int(logits.argmax())
        if not np.isfinite(logits[token]):  # argmax finds a NaN first
            raise EvaluationFailed(0)
        return token
