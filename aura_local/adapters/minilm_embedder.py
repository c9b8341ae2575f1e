"""Embeddings by MiniLM on CTranslate2, without torch. Layer 3.

The weights are int8, the arithmetic is float32: rounding the activations as well would be three times
faster (1 instead of 4 ms for a question) but turns single sentences by a cosine of 0.992 and short ones by
0.976 against sentence-transformers; with float32 no sentence of the museum is below 0.998. Arithmetic in
int16 is a third faster, at 0.997 for short texts. One core embeds about 6,000 tokens a second.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aura_local.adapters.quiet_lanes import MOST_LANES, QuietLanes
from aura_local.adapters.registry import AdapterContext
from aura_local.errors import EngineUnavailable, ModelDamaged
from aura_local.lanes import Lane
from aura_local.ports import Caller, EngineDescription, Priority

WINDOW_TOKENS: Final = 256
DIMENSIONS: Final = 384
QUANTUM_TOKENS: Final = 384
"""In one quantum of native work, padding included: about 60 ms on one core. From 256 to 768, as many tokens
are embedded in a second."""
TOKENISED_TEXTS: Final = 512
"""In one quantum: about 40 ms for sentences and short passages."""


class MiniLmEmbedder:
    """The engine: encoder and tokenizers, a lane for those who wait, and lanes in the background.

    Encoder and tokenizers may be used by several threads at once.
    """

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
        self._background = QuietLanes("embedding in the background", context.budget)
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
        """See `Embedder.embed`. Long lists are served in quanta, so that others get their turn."""
        if len(texts) == 1:
            # A question: both steps at once, for it would have to wait for each.
            return await self._lane.run(lambda: self._encode(self._tokens(texts)), caller=caller)
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        tokens: list[list[int]] = []

        def tokenise(start: int) -> None:
            tokens.extend(self._tokens(texts[start : start + TOKENISED_TEXTS]))

        def encode(rows: list[int]) -> None:
            vectors[rows] = self._encode([tokens[row] for row in rows])

        for start in range(0, len(texts), TOKENISED_TEXTS):
            await self._lane.run(partial(tokenise, start), caller=caller)
        quanta = [partial(encode, rows) for rows in _batches([len(one) for one in tokens])]
        if caller.priority is Priority.BACKGROUND:
            await self._background.run_all(quanta, caller=caller)
        else:
            for quantum in quanta:
                await self._lane.run(quantum, caller=caller)
        return vectors

    async def close(self) -> None:
        await self._lane.close()
        await self._background.close()
        self._encoder = None

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """One by one: all together they would be spread over cores that others hold."""
        return [self._tokenizer.encode(text).ids for text in texts]

    def _encode(self, ids: list[list[int]]) -> NDArray[np.float32]:
        """Runs on a lane. Shape (len(ids), 384), L2-normalised."""
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


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Rows of like length together, as a batch costs its longest text times its size; longest first.

    Longest first: so that lanes that share the batches end at nearly the same time.
    """
    batches: list[list[int]] = []
    longest = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if not batches or (len(batches[-1]) + 1) * longest > QUANTUM_TOKENS:
            batches.append([])
            longest = lengths[row]
        batches[-1].append(row)
    return batches


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
            str(folder),
            device="cpu",
            compute_type="float32",
            inter_threads=min(context.budget.cores, MOST_LANES) + 1,  # a worker for each lane
            intra_threads=1,
        )
    except (RuntimeError, ValueError) as error:
        raise ModelDamaged(f"The model {context.model} cannot be loaded.") from error
    engine = MiniLmEmbedder(encoder, tokenizer_json, context)
    with context.budget.hold(Priority.BACKGROUND):
        engine._encode(engine._tokens(["when do you open"]))
    return engine
