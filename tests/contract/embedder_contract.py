"""What every `Embedder` must do. Subclass it in a module with an `open_engine` fixture."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from numpy.typing import NDArray

from aura_local.ports import Embedder

from .leaks import assert_closes_cleanly
from .models import CALLER, OTHER_CALLER

TEXTS = ["when do you open", "the cafe sells cake and coffee", "tickets cost nine pounds for adults", "yes"]


@pytest.mark.anyio
class EmbedderContract:
    def test_is_an_embedder(self, engine: Embedder) -> None:
        assert isinstance(engine, Embedder)
        assert engine.dimensions > 0
        assert engine.window_tokens > 0

    async def test_vectors_are_unit_float32_in_order(self, engine: Embedder) -> None:
        vectors = await engine.embed(TEXTS, caller=CALLER)
        assert vectors.shape == (len(TEXTS), engine.dimensions)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
        for row, text in enumerate(TEXTS):
            alone = await engine.embed([text], caller=CALLER)
            # int8 arithmetic rounds a padded batch a little differently.
            assert float(alone[0] @ vectors[row]) > 0.995

    async def test_no_texts_and_empty_texts(self, engine: Embedder) -> None:
        assert (await engine.embed([], caller=CALLER)).shape == (0, engine.dimensions)
        empty = await engine.embed([""], caller=CALLER)
        np.testing.assert_allclose(np.linalg.norm(empty), 1.0, atol=1e-5)

    async def test_more_texts_than_a_batch(self, engine: Embedder) -> None:
        texts = [f"room {number} is on floor {number % 7}" for number in range(40)]
        vectors = await engine.embed(texts, caller=CALLER)
        last = await engine.embed([texts[-1]], caller=CALLER)
        assert float(last[0] @ vectors[-1]) > 0.995

    def test_counting_does_not_truncate(self, engine: Embedder) -> None:
        long = "museum " * (engine.window_tokens * 2)
        assert engine.count_tokens(long) > engine.window_tokens
        assert engine.count_tokens("museum") < engine.count_tokens("the museum is open")

    async def test_concurrent_calls_do_not_mix(self, engine: Embedder) -> None:
        alone = await engine.embed(TEXTS, caller=CALLER)
        together: dict[int, NDArray[np.float32]] = {}

        async def embed(place: int) -> None:
            caller = (CALLER, OTHER_CALLER)[place % 2]
            together[place] = await engine.embed(TEXTS if place % 2 else TEXTS[::-1], caller=caller)

        async with anyio.create_task_group() as tasks:
            for place in range(6):
                tasks.start_soon(embed, place)
        for place, vectors in together.items():
            ordered = vectors if place % 2 else vectors[::-1]
            assert float((ordered * alone).sum(axis=1).min()) > 0.995

    async def test_cancellation_leaves_the_engine_usable(self, engine: Embedder) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: engine.embed(TEXTS * 10, caller=CALLER))
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert (await engine.embed(["hello"], caller=CALLER)).shape == (1, engine.dimensions)

    async def test_closes_cleanly(self, open_engine: Callable[[], Embedder]) -> None:
        await assert_closes_cleanly(open_engine, lambda embedder: embedder.embed(TEXTS, caller=CALLER))
