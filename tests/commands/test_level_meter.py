"""The meter of `aura talk --level`, and what it says in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest

from aura_local.commands.level_meter import WIDTH, describe, show_level, verdict
from aura_local.ports import Samples


def test_the_bar_grows_with_the_level() -> None:
    assert describe(0.0).startswith("·" * WIDTH)
    assert describe(1.0).startswith("█" * WIDTH)
    assert describe(0.0316).count("█") == WIDTH // 2


@pytest.mark.parametrize(
    ("loudest", "words"), [(0.001, "Too quiet"), (0.2, "The level is good"), (1.0, "Too loud")]
)
def test_the_verdict(loudest: float, words: str) -> None:
    assert verdict(loudest).startswith(words)


@pytest.mark.anyio
async def test_the_loudest_block_counts(capsys: pytest.CaptureFixture[str]) -> None:
    async def microphone() -> AsyncIterator[Samples]:
        for peak in (0.0, -0.3, 0.01):
            yield np.full(512, peak, np.float32)

    await show_level(microphone())
    assert "The level is good." in capsys.readouterr().out
