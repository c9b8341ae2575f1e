"""A server's replies on the loudspeaker: once each, and counted anew with a new session."""

from __future__ import annotations

import numpy as np
import pytest

from aura_local.desktop_playback import Loudspeaker, PlaybackQueue
from aura_local.desktop_replies import Replies
from aura_local.desktop_wire import ReplyAudio
from aura_local.ports import Samples

pytestmark = pytest.mark.anyio


def ramp(first: int, end: int) -> Samples:
    return (np.arange(first, end) / 1_000).astype(np.float32)


async def test_what_comes_again_is_played_once() -> None:
    loudspeaker = Loudspeaker(PlaybackQueue(1_000), clock=lambda: 0.0)
    replies = Replies(loudspeaker)
    await replies.play(ReplyAudio(1, 0, ramp(0, 100)))
    await replies.play(ReplyAudio(1, 60, ramp(60, 90)))
    await replies.play(ReplyAudio(1, 60, ramp(60, 140)))
    np.testing.assert_array_equal(loudspeaker.fill(150)[:140], ramp(0, 140))


async def test_after_a_flush_a_reply_may_go_on_from_an_earlier_position() -> None:
    loudspeaker = Loudspeaker(PlaybackQueue(1_000), clock=lambda: 0.0)
    replies = Replies(loudspeaker)
    await replies.play(ReplyAudio(1, 0, ramp(0, 100)))
    loudspeaker.fill(50)
    await replies.flush(1)
    await replies.play(ReplyAudio(1, 40, ramp(40, 60)))
    np.testing.assert_array_equal(loudspeaker.fill(20), ramp(40, 60))


async def test_a_new_session_counts_its_replies_from_nothing() -> None:
    now_s = 0.0
    loudspeaker = Loudspeaker(PlaybackQueue(1_000), clock=lambda: now_s)
    replies = Replies(loudspeaker)
    assert replies.heard() is None
    await replies.play(ReplyAudio(1, 0, ramp(0, 500)))
    loudspeaker.fill(300)
    now_s = 10.0
    assert replies.heard() == (1, 300)
    await replies.begin_again()
    assert replies.heard() is None
    await replies.play(ReplyAudio(1, 0, ramp(0, 100)))
    assert replies.heard() == (1, 0)
    np.testing.assert_array_equal(loudspeaker.fill(100), ramp(0, 100))
