"""Embeddings by MiniLM, or another BERT, on CTranslate2, without torch. Layer 3.

The weights are int8, the arithmetic is int16 where the processor's library has it, else float32. In int8 it
would be faster still, but turns single sentences by a cosine of 0.992 and short ones by 0.976 against
sentence-transformers; in int16 short texts are at 0.997 and in float32 at 0.998, and documents are found as
well in the one as in the other. What counts for a single question is that the weights come from memory, not
from a cache: half as many bytes make it 4.5 ms instead of 8. One core embeds about 6,000 tokens a second.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Embedding:
    """How vectors are made of what the encoder says about each token: `embedding.json` of the model.

    The model that ships has no such file, and is this.
    """

    pooling: str = "mean"
    """`mean` of all tokens, or `cls`: the first."""
    window_tokens: int = WINDOW_TOKENS
    dimensions: int = DIMENSIONS


class MiniLmEmbedder:
    """The engine: encoder and tokenizers, a lane for those who wait, and lanes in the background.

    Encoder and tokenizers may be used by several threads at once.
    """

    def __init__(
        self,
        encoder: Any,
        tokenizer_json: str,
        context: AdapterContext,
        embedding: Embedding = Embedding(),
    ) -> None:
        """`encoder` is a `ctranslate2.Encoder`, `tokenizer_json` the text of its `tokenizer.json`."""
        from tokenizers import Tokenizer

        self._encoder = encoder
        self._embedding = embedding
        # The file has truncation at 128 and padding to 128 switched on: both would be wrong here.
        self._tokenizer = Tokenizer.from_str(tokenizer_json)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(embedding.window_tokens)
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
        return self._embedding.dimensions

    @property
    def window_tokens(self) -> int:
        return self._embedding.window_tokens

    def count_tokens(self, text: str) -> int:
        """See `Embedder.count_tokens`; any thread may call it."""
        return len(self._counter.encode(text).ids)

    async def embed(self, texts: Sequence[str], *, caller: Caller) -> NDArray[np.float32]:
        """See `Embedder.embed`. Long lists are served in quanta, so that others get their turn."""
        if len(texts) == 1:
            # A question: both steps at once, for it would have to wait for each.
            return await self._lane.run(lambda: self._encode(self._tokens(texts)), caller=caller)
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
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
        """Runs on a lane. Shape (len(ids), dimensions), L2-normalised."""
        try:
            output = self._encoder.forward_batch(ids)
            states = np.asarray(output.last_hidden_state, dtype=np.float32)
        except RuntimeError as error:
            raise EngineUnavailable("The embedder failed on a batch of texts.") from error
        # The mean goes over real tokens only, never over the padding of the batch.
        if self._embedding.pooling == "cls":
            pooled = states[:, 0]
        else:
            pooled = np.stack([states[row, : len(tokens)].mean(axis=0) for row, tokens in enumerate(ids)])
        norms = np.linalg.norm(pooled, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (pooled / np.maximum(norms, 1e-12)).astype(np.float32)
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


def _embedding(context: AdapterContext) -> Embedding:
    """Raises `ValueError` and `TypeError` where the file is not as it should be."""
    if "embedding.json" not in context.files:
        return Embedding()
    return Embedding(**json.loads(context.file("embedding.json").read_text(encoding="utf-8")))


def _arithmetic(ctranslate2: Any) -> str:
    """Asked for what it lacks, CTranslate2 would take int8."""
    return "int16" if "int16" in ctranslate2.get_supported_compute_types("cpu") else "float32"


def open_adapter(context: AdapterContext) -> MiniLmEmbedder:
    """Needs `model.bin`, `config.json`, `vocabulary.json`, `tokenizer.json`, and `embedding.json` if its
    vectors are not made like MiniLM's.

    Raises `ModelMissing`, `ModelDamaged`.
    """
    import ctranslate2

    folder = context.file("model.bin").parent.resolve()
    tokenizer_json = context.file("tokenizer.json").read_text(encoding="utf-8")
    try:
        json.loads(tokenizer_json)
        embedding = _embedding(context)
        encoder = ctranslate2.Encoder(
            str(folder),
            device="cpu",
            compute_type=_arithmetic(ctranslate2),
            inter_threads=min(context.budget.cores, MOST_LANES) + 1,  # a worker for each lane
            intra_threads=1,
        )
    except (RuntimeError, ValueError, TypeError) as error:
        raise ModelDamaged(f"The model {context.model} cannot be loaded.") from error
    engine = MiniLmEmbedder(encoder, tokenizer_json, context, embedding)
    with context.budget.hold(Priority.BACKGROUND):
        engine._encode(engine._tokens(["when do you open"]))
    return engine
