"""Which audio is kept, what is cut from it, and how long to wait for more."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_local.adapters.scripted import ScriptedSpeechToText, ScriptedTurns
from aura_local.audio.frame import Frame
from aura_local.conversation.hearing import (
    LEAD_SAMPLES,
    TAIL_SAMPLES,
    Hearing,
    StablePrefix,
    WaitRules,
)
from aura_local.conversation.session_engines import HearingEngines
from aura_local.errors import EngineUnavailable
from aura_local.ports import FRAME_SAMPLES, Caller, Priority, Samples

pytestmark = pytest.mark.anyio

CALLER = Caller("a", Priority.VOICE)


def hearing(*transcripts: str, completion: float = 1.0, punctuation: bool = False) -> Hearing:
    recogniser = ScriptedSpeechToText(transcripts or [""], writes_punctuation=punctuation)
    return hearing_with(recogniser, ScriptedTurns(completion), waits=WaitRules(200, 700, 1200))


def hearing_with(
    recogniser: ScriptedSpeechToText,
    turns: ScriptedTurns,
    *,
    language: str = "en",
    waits: WaitRules = WaitRules(),  # noqa: B008 - a value
) -> Hearing:
    engines = HearingEngines(recogniser, turns)
    return Hearing(engines=lambda: nullcontext(engines), language=language, waits=waits)


def frame(place: int) -> Frame:
    """Each sample is the number of its frame."""
    return Frame(place * FRAME_SAMPLES, np.full(FRAME_SAMPLES, place, dtype=np.float32))


def frames_in(clip: Samples) -> list[int]:
    assert len(clip) % FRAME_SAMPLES == 0
    return [int(clip[start]) for start in range(0, len(clip), FRAME_SAMPLES)]


@given(st.integers(0, 40 * FRAME_SAMPLES), st.integers(0, 20 * FRAME_SAMPLES))
def test_a_clip_is_the_speech_with_a_little_around_it(first_sample: int, length: int) -> None:
    kept = hearing()
    for place in range(80):
        kept.keep(frame(place), needed_from=0)
    end_sample = first_sample + length
    clip = frames_in(kept.clip(first_sample, end_sample))
    assert clip == list(range(clip[0], clip[-1] + 1))
    begins, ends = clip[0] * FRAME_SAMPLES, (clip[-1] + 1) * FRAME_SAMPLES
    assert begins <= max(first_sample - LEAD_SAMPLES, 0) <= begins + FRAME_SAMPLES
    assert ends - FRAME_SAMPLES <= end_sample + TAIL_SAMPLES <= ends + FRAME_SAMPLES
    assert ends >= end_sample + TAIL_SAMPLES or clip[-1] == 79


def test_audio_that_is_not_needed_goes() -> None:
    kept = hearing()
    for place in range(1_000):
        kept.keep(frame(place), needed_from=place * FRAME_SAMPLES)
    left = frames_in(kept.clip(0, 1_000 * FRAME_SAMPLES))
    assert left[-1] == 999
    assert left[0] * FRAME_SAMPLES <= 999 * FRAME_SAMPLES - LEAD_SAMPLES
    assert len(left) <= LEAD_SAMPLES // FRAME_SAMPLES + 3


def test_audio_that_is_needed_stays() -> None:
    kept = hearing()
    for place in range(500):
        kept.keep(frame(place), needed_from=min(place, 100) * FRAME_SAMPLES)
    clip = frames_in(kept.clip(100 * FRAME_SAMPLES, 500 * FRAME_SAMPLES))
    assert clip[0] == 100 - LEAD_SAMPLES // FRAME_SAMPLES - 1
    assert clip[-1] == 499


def test_nothing_kept_is_an_empty_clip() -> None:
    assert hearing().clip(0, 16_000).shape == (0,)


@pytest.mark.parametrize(
    ("completion", "wait_ms"), [(1.0, 200), (0.8, 200), (0.79, 700), (0.4, 700), (0.39, 1200), (0.0, 1200)]
)
async def test_the_less_finished_the_longer_the_wait(completion: float, wait_ms: int) -> None:
    heard = await hearing("where is the", completion=completion).listen(
        np.zeros(512, dtype=np.float32), CALLER, silence_ms=96
    )
    assert heard.transcript.text == "where is the"
    assert heard.wait_ms == wait_ms


async def test_no_words_are_not_judged() -> None:
    turns = ScriptedTurns()
    silent = hearing_with(ScriptedSpeechToText([""]), turns)
    heard = await silent.listen(np.zeros(512, dtype=np.float32), CALLER, silence_ms=96)
    assert (heard.transcript.text, heard.wait_ms) == ("", 0)
    assert turns.script.calls == []


@pytest.mark.parametrize("punctuation", [True, False])
async def test_the_judge_is_told_what_the_recogniser_writes(punctuation: bool) -> None:
    turns = ScriptedTurns()
    recogniser = ScriptedSpeechToText(["yes"], writes_punctuation=punctuation)
    listening = hearing_with(recogniser, turns, language="de")
    await listening.listen(np.zeros(700, dtype=np.float32), CALLER, silence_ms=128)
    assert recogniser.script.calls == [("transcribe", 700, "de", CALLER)]
    assert turns.script.calls == [("completion", 700, "yes", punctuation, 128)]


async def test_a_failing_recogniser_is_not_silence() -> None:
    recogniser = ScriptedSpeechToText(["yes"])
    recogniser.script.failure = EngineUnavailable("broken")
    listening = hearing_with(recogniser, ScriptedTurns())
    with pytest.raises(EngineUnavailable):
        await listening.listen(np.zeros(512, dtype=np.float32), CALLER, silence_ms=96)


def test_stable_is_what_two_transcripts_in_a_row_agree_on() -> None:
    stable = StablePrefix()
    assert stable.agree("when does the") == ""
    assert stable.agree("when does the museum") == "when does the"
    assert stable.agree("when do the museums open") == "when"
    assert stable.agree("when do the museum open") == "when do the"
    assert stable.agree("") == ""
    assert stable.agree("when") == ""


@given(st.lists(st.text(st.sampled_from("ab "), max_size=12), max_size=6))
def test_what_is_stable_is_a_beginning_of_both(texts: list[str]) -> None:
    stable = StablePrefix()
    for before, text in zip(["", *texts], texts, strict=False):
        agreed = stable.agree(text)
        assert " ".join(text.split()).startswith(agreed)
        assert " ".join(before.split()).startswith(agreed)
