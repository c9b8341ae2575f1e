"""Work is counted, the same on every machine."""

from __future__ import annotations

from aura_local.conversation.work import TurnWork
from aura_local.ports import GenerationUsage, Transcript


def test_everything_is_added_up() -> None:
    work = TurnWork()
    work.count_transcript(Transcript("when", 0.0, 0.0, "en", encoder_frames=300, decoded_tokens=4))
    work.count_transcript(Transcript("when do", 0.0, 0.0, "en", encoder_frames=400, decoded_tokens=5))
    work.count_usage(GenerationUsage(100, 20, 7))
    work.count_usage(GenerationUsage(10, 110, 3))
    work.count_waste(GenerationUsage(100, 20, 7))
    work.speculations += 1
    work.heard_ms, work.spoken_ms = 1_500, 2_300
    assert work.counts() == {
        "heard_ms": 1_500,
        "spoken_ms": 2_300,
        "encoder_frames": 700,
        "speech_tokens": 9,
        "prompt_tokens_evaluated": 110,
        "prompt_tokens_reused": 130,
        "generated_tokens": 10,
        "wasted_tokens": 7,
        "speculations": 1,
    }


def test_nothing_is_counted_in_the_beginning() -> None:
    assert set(TurnWork().counts().values()) == {0}
