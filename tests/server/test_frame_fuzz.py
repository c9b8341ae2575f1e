"""Hostile frames, from a seed that is printed: nothing crashes, nothing hangs, the server still answers."""

from __future__ import annotations

import logging
import random
import secrets

import pytest

from aura_local.benchmark.frame_fuzz import fuzz_frames
from aura_local.benchmark.hostile_frames import hostile_frame
from tests.server.voice_server import voice_server

LIMITS = {"resume_s": 0.1, "start_deadline_s": 1.0, "sessions": 400, "sessions_per_tenant": 400}
HARMLESS = ("Invalid UTF-8 sequence received from client.",)
"""uvicorn's word for a client's mistake; it is answered with close code 1007."""


@pytest.mark.anyio
@pytest.mark.parametrize(
    "seed",
    [20_260_101, 1_993_850_926, secrets.randbelow(1 << 32)],
    ids=["fixed", "text_behind_a_close", "fresh"],
)
async def test_hostile_frames_end_in_errors_and_closes_alone(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    print(f"seed {seed}")  # noqa: T201 - shown with a failure
    with caplog.at_level(logging.ERROR):
        async with voice_server(limits=LIMITS | {"sessions_per_address": 400}, answer_samples=800) as server:
            report = await fuzz_frames(server.url, "key-one", frames=1000, seed=seed)
            await server.until_empty()
            assert server.engine.leases.held == []
    print(report)  # noqa: T201 - shown with a failure
    assert report.frames >= 1000
    assert report.sessions > 0, "no frame has ever reached a session"
    wrong = [record.getMessage() for record in caplog.records if record.getMessage() not in HARMLESS]
    assert wrong == []
    assert 1011 not in report.closed_with, "something failed inside the server"


def test_the_same_seed_makes_the_same_frames() -> None:
    one, two, other = (random.Random(seed) for seed in (1, 1, 2))
    frames = [hostile_frame(one) for _ in range(500)]
    assert frames == [hostile_frame(two) for _ in range(500)]
    assert frames != [hostile_frame(other) for _ in range(500)]
    assert len({piece[0] for piece in frames}) > 12, "hardly any kind of frame is made"
