"""Embeddings by MiniLM on CTranslate2, without torch. Layer 3.

The weights are int8, the arithmetic is float32: rounding the activations as well would be four times
faster (1.0 instead of 4.8 ms for a question) but turns single sentences by a cosine of 0.992 and short
ones by 0.976 against sentence-transformers; with float32 no sentence of the museum is below 0.998.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aura_local.adapters.registry import AdapterContext
from aura_local.errors import EngineUnavailable, ModelDamaged
from aura_local.lanes import Lane
from aura_local.ports import Caller, EngineDescription, Priority

WINDOW_TOKENS: Final = 256
DIMENSIONS: Final = 384
BATCH_TEXTS: Final = 8
"""Texts per quantum: 8 passages of 70 tokens take about 90 ms on one core."""


class MiniLmEmbedder:
    """The engine: encoder and tokenizers, one lane."""

    def __init__(self, encoder: Any, tokenizer_json: str, context: AdapterContext) -> None:
        """`encoder` is a `ctranslate2.Encoder`, `tokenizer_json` the text of its `tokenizer.json`."""
        from tokenizers import Tokenizer

        self._encoder = encoder
        # The file has truncation at 128 and padding to 128 switched on: both would be wrong here.
        self._tokenizer = Tokenizer.from_str(tokenizer_json)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(WINDOW_TOKENS)
        self._counter = Tokenizer.from_str(tokenizer_json)
        self._counter.no_padding()
        self._counter.no_truncation()
        self._lane = Lane("embedding", context.budget)
        self._description = EngineDescription("minilm", context.model, context.synthetic, context.note)

    @property
    def description(self) -> EngineDescription:
        return self._description

    @property
    def dimensions(self) -> int:
        return DIMENSIONS

    @property
    def window_tokens(self) -> int:
        return WINDOW_TOKENS

    def count_tokens(self, text: str) -> int:
        """See `Embedder.count_tokens`; any thread may call it."""
        return len(self._counter.encode(text).ids)

    async def embed(self, texts: Sequence[str], *, caller: Caller) -> NDArray[np.float32]:
        """See `Embedder.embed`. Long lists are served in batches, so that others get their turn."""
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        # Texts of like length share a batch: a batch costs its longest text times its size.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), BATCH_TEXTS):
            batch = order[start : start + BATCH_TEXTS]
            chosen = [texts[index] for index in batch]
            vectors[batch] = await self._lane.run(lambda chosen=chosen: self._encode(chosen), caller=caller)  # type: ignore[misc]
        return vectors

    async def close(self) -> None:
        await self._lane.close()
        self._encoder = None

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Runs on the lane. Shape (len(texts), 384), L2-normalised."""
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        try:
            output = self._encoder.forward_batch(ids)
            states = np.asarray(output.last_hidden_state, dtype=np.float32)
        except RuntimeError as error:
            raise EngineUnavailable("The embedder failed on a batch of texts.") from error
        # The mean goes over real tokens only, never over the padding of the batch.
        means = np.stack([states[row, : len(tokens)].mean(axis=0) for row, tokens in enumerate(ids)])
        norms = np.linalg.norm(means, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (means / np.maximum(norms, 1e-12)).astype(np.float32)
        return unit


def open_adapter(context: AdapterContext) -> MiniLmEmbedder:
    """Needs `model.bin`, `config.json`, `vocabulary.json`, `tokenizer.json`.

    Raises `ModelMissing`, `ModelDamaged`.
    """
    import ctranslate2

    folder = context.file("model.bin").parent.resolve()
    tokenizer_json = context.file("tokenizer.json").read_text(encoding="utf-8")
    try:
        json.loads(tokenizer_json)
        encoder = ctranslate2.Encoder(
            str(folder), device="cpu", compute_type="float32", inter_threads=1, intra_threads=1
        )
    except (RuntimeError, ValueError) as error:
        raise ModelDamaged(f"The model {context.model} cannot be loaded.") from error
    engine = MiniLmEmbedder(encoder, tokenizer_json, context)
    with context.budget.hold(Priority.BACKGROUND):
        engine._encode(["when do you open"])
    return engine
