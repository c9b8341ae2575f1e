"""Hostile frames, from a seed that is printed: nothing crashes, nothing hangs, the server still answers."""

from __future__ import annotations

import json
import logging
import random
import secrets
from collections.abc import Callable, Mapping

import pytest
from aura_server.voice_messages import parse_client_message

from aura_local.benchmark.frame_fuzz import fuzz_frames
from aura_local.benchmark.hostile_frames import hostile_frame
from aura_local.benchmark.hostile_session import NEARLY, session_frame
from aura_local.errors import ProtocolViolation
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
    assert report.sessions_reached >= report.connections // 3, "hardly any connection has had a session"
    assert report.frames_inside >= 100, "hardly any frame was sent into a session"
    wrong = [record.getMessage() for record in caplog.records if record.getMessage() not in HARMLESS]
    assert wrong == []
    assert 1011 not in report.closed_with, "something failed inside the server"


@pytest.mark.parametrize("make", [hostile_frame, session_frame])
def test_the_same_seed_makes_the_same_frames(make: Callable[[random.Random], bytes]) -> None:
    one, two, other = (random.Random(seed) for seed in (1, 1, 2))
    frames = [make(one) for _ in range(500)]
    assert frames == [make(two) for _ in range(500)]
    assert frames != [make(other) for _ in range(500)]
    if make is hostile_frame:
        assert len({piece[0] for piece in frames}) > 12, "hardly any kind of frame is made"


@pytest.mark.parametrize("message", NEARLY, ids=json.dumps)
def test_what_nearly_is_a_message_is_none(message: Mapping[str, object]) -> None:
    if message == {"type": "start"}:
        return  # a message, but not in an open session
    with pytest.raises(ProtocolViolation):
        parse_client_message(json.dumps(message), question_characters=2000)
