"""What was cut short holds nothing back, without the garbage collector."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import anyio.to_thread
import pytest

from aura_local.retrieval.ended_runs import releasing_frames

pytestmark = pytest.mark.anyio


class Text:
    """Stands for a document of ten million characters."""


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def cut_in_a_thread(made: list[weakref.ref[Text]]) -> None:
    def cut() -> None:
        text = Text()
        made.append(weakref.ref(text))
        raise ValueError("cut short")

    await anyio.to_thread.run_sync(cut)


@pytest.mark.usefixtures("uncollected")
async def test_a_run_that_fails_in_a_thread_lets_go() -> None:
    made: list[weakref.ref[Text]] = []
    with pytest.raises(ValueError, match="cut short"), releasing_frames():
        await cut_in_a_thread(made)
    assert [text() for text in made] == [None]


@pytest.mark.usefixtures("uncollected")
async def test_a_run_that_is_cancelled_lets_go() -> None:
    held: list[weakref.ref[Text]] = []

    async def work() -> None:
        text = Text()
        held.append(weakref.ref(text))
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope, releasing_frames():
        scope.cancel()
        await work()
    assert [text() for text in held] == [None]
