"""Embeddings by any sentence-transformers model in a local folder (extra `torch`). Layer 3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aura_local.adapters.registry import AdapterContext
from aura_local.errors import ConfigurationError, EngineUnavailable, ModelDamaged, ModelMissing
from aura_local.lanes import Lane
from aura_local.ports import Caller, EngineDescription, Priority

BATCH_TEXTS: Final = 4
"""Texts per quantum: torch takes about 36 ms for a passage of 70 tokens on one core."""

UNLIMITED_TOKENS: Final = 1_000_000
"""Tokenizers without a limit report a number beyond this one; the window is then taken as 512."""


class SentenceEmbedder:
    """The engine: a `SentenceTransformer` on one lane."""

    def __init__(self, model: Any, context: AdapterContext, *, dimensions: int) -> None:
        self._model = model
        self._tokenizer = model.tokenizer
        self._dimensions = dimensions
        limit = model.max_seq_length
        self._window_tokens = int(limit) if limit and limit < UNLIMITED_TOKENS else 512
        self._lane = Lane("embedding", context.budget)
        self._description = EngineDescription(
            "sentence_transformers", context.model, context.synthetic, context.note
        )

    @property
    def description(self) -> EngineDescription:
        return self._description

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def window_tokens(self) -> int:
        return self._window_tokens

    def count_tokens(self, text: str) -> int:
        """See `Embedder.count_tokens`."""
        # verbose=False: a long text would be warned about, and here it is only counted.
        return len(self._tokenizer(text, truncation=False, verbose=False)["input_ids"])

    async def embed(self, texts: Sequence[str], *, caller: Caller) -> NDArray[np.float32]:
        """See `Embedder.embed`. Long lists are served in batches, so that others get their turn."""
        vectors = np.zeros((len(texts), self._dimensions), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), BATCH_TEXTS):
            batch = order[start : start + BATCH_TEXTS]
            chosen = [texts[index] for index in batch]
            vectors[batch] = await self._lane.run(lambda chosen=chosen: self._encode(chosen), caller=caller)  # type: ignore[misc]
        return vectors

    async def close(self) -> None:
        await self._lane.close()
        self._model = None

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Runs on the lane."""
        try:
            vectors = self._model.encode(
                texts,
                batch_size=len(texts),
                show_progress_bar=False,
                convert_to_numpy=True,
                normalize_embeddings=True,
            )
        except RuntimeError as error:
            raise EngineUnavailable("The embedder failed on a batch of texts.") from error
        return np.asarray(vectors, dtype=np.float32)


def open_adapter(context: AdapterContext) -> SentenceEmbedder:
    """Option `folder`: an absolute path to a saved model (else the folder of the verified files);
    option `device` (default `cpu`). Never downloads: the folder must exist.

    Raises `ModelMissing`, `ModelDamaged`, `ConfigurationError`.
    """
    folder = Path(str(context.options.get("folder", ""))) if "folder" in context.options else context.folder
    if not folder.is_absolute():
        raise ConfigurationError("The folder of a sentence-transformers model must be an absolute path.")
    if not (folder / "modules.json").is_file():
        raise ModelMissing(f"The folder of {context.model} holds no sentence-transformers model.")

    import torch
    from sentence_transformers import SentenceTransformer

    device = str(context.options.get("device", "cpu"))
    if device == "cpu":
        torch.set_num_threads(1)  # the core budget counts one core for this lane
    try:
        model = SentenceTransformer(
            str(folder), device=device, local_files_only=True, trust_remote_code=False
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelDamaged(f"The model {context.model} cannot be loaded.") from error
    with context.budget.hold(Priority.BACKGROUND):
        width = int(np.asarray(model.encode(["when do you open"], show_progress_bar=False)).shape[1])
    return SentenceEmbedder(model, context, dimensions=width)
