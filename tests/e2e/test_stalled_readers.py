"""Clients that stop reading are cut off, and nobody else notices.

`scripts/torture stalled` brings more of them.
"""

from __future__ import annotations

import pytest

from aura_local.benchmark.questions import answerable_questions
from aura_local.benchmark.stalled_readers import StalledReport, run_stalled, too_slow

STALLED = 4
SEED = 20_261_123


@pytest.mark.anyio
@pytest.mark.engines
@pytest.mark.llama
@pytest.mark.starter
async def test_stalled_readers_are_gone_in_time_beside_a_good_conversation() -> None:
    """How much longer the good one waits is for the full size to say: one question cannot tell."""
    questions = [answerable_questions()[0].spoken]
    report = await run_stalled(questions, stalled=STALLED, good=1, rounds=1, at_once=1, seed=SEED)
    assert report.wrong == []
    assert report.unanswered == 0
    assert report.stalled_together == STALLED
    assert 0 < report.longest_stalled_s <= 15


def report_of(alone_ms: float, beside_ms: float) -> StalledReport:
    return StalledReport(1, 1, 1, 1, SEED, first_audio_alone_p95_ms=alone_ms, first_audio_p95_ms=beside_ms)


def test_a_fifth_more_is_allowed_and_no_more() -> None:
    assert too_slow(report_of(400.0, 480.0)) == []
    assert too_slow(report_of(400.0, 481.0)) == ["the good ones waited 481.0 ms, 480 ms are allowed"]
