"""What is heard of the microphone: all, all but the loudspeaker, or nothing while it is audible."""

from __future__ import annotations

import numpy as np

from aura_local.desktop_ears import PushToTalk, choose_ear
from aura_local.desktop_playback import Loudspeaker, PlaybackQueue
from aura_local.ports import SPEECH_RATE_HZ, Samples

SOUND = np.ones(512, np.float32)


class Subtracting:
    """A canceller for a loudspeaker that is heard at once and unchanged."""

    def cancel(self, recorded: Samples, played: Samples) -> Samples:
        return recorded - played


def playing() -> Loudspeaker:
    queue = PlaybackQueue(SPEECH_RATE_HZ)
    queue.put(1, 0, SOUND)
    loudspeaker = Loudspeaker(queue)
    loudspeaker.fill(512)
    return loudspeaker


def test_headphones_need_no_canceller() -> None:
    np.testing.assert_array_equal(choose_ear(playing(), Subtracting(), headphones=True)(SOUND), SOUND)


def test_with_a_canceller_exactly_what_was_played_is_taken_out() -> None:
    ear = choose_ear(playing(), Subtracting(), headphones=False)
    np.testing.assert_array_equal(ear(SOUND * 3), SOUND * 2)


def test_without_a_canceller_nothing_is_heard_while_the_loudspeaker_plays() -> None:
    assert not choose_ear(playing(), None, headphones=False)(SOUND).any()


def test_push_to_talk_hears_between_two_presses_and_its_canceller_all_the_time() -> None:
    heard: list[float] = []

    def inner(recorded: Samples) -> Samples:
        heard.append(float(recorded[0]))
        return recorded

    ear = PushToTalk(inner)
    assert not ear(SOUND).any()
    assert ear.toggle()
    assert ear(SOUND * 2).any()
    assert not ear.toggle()
    assert not ear(SOUND * 3).any()
    assert heard == [1.0, 2.0, 3.0]
