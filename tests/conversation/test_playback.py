"""What was heard, to the word; and the audio from any position on."""

from __future__ import annotations

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_local.conversation.playback import CHUNK_MS, ReplyAudio
from aura_local.ports import Samples
from tests.support.loop import idle

pytestmark = pytest.mark.anyio

RATE_HZ = 16_000
SAMPLES_PER_LETTER = 800


def speech(samples: int) -> Samples:
    return np.full(samples, 0.3, dtype=np.float32)


def silence(samples: int) -> Samples:
    return np.zeros(samples, dtype=np.float32)


def spoken(*clauses: str, tail_samples: int = 0) -> ReplyAudio:
    """Each letter, and the space after each word, takes the same time; then a silence."""
    audio = ReplyAudio(RATE_HZ)
    for clause in clauses:
        audio.begin_clause(clause)
        audio.add(speech((len(clause.strip()) + 1) * SAMPLES_PER_LETTER))
        if tail_samples:
            audio.add(silence(tail_samples))
    audio.finish()
    return audio


def words_truly_heard(clauses: list[str], samples: int, tail_samples: int) -> int:
    """Words whose end lies before the position."""
    count, position = 0, 0
    for clause in clauses:
        for word in clause.split():
            position += (len(word) + 1) * SAMPLES_PER_LETTER
            count += position <= samples
        position += tail_samples
    return count


ANSWER = ["The museum opens at nine, ", "and it closes at half past five. ", "Admission is free."]


@pytest.mark.parametrize("tail_samples", [0, 4_000])
def test_at_every_position_give_or_take_one_word(tail_samples: int) -> None:
    audio = spoken(*ANSWER, tail_samples=tail_samples)
    all_words = " ".join(ANSWER).split()
    previous = 0
    for position in range(0, audio.length_samples + 1, 500):
        heard = audio.heard_text(position).split()
        assert heard == all_words[: len(heard)]
        assert abs(len(heard) - words_truly_heard(ANSWER, position, tail_samples)) <= 1, position
        assert len(heard) >= previous
        previous = len(heard)


def test_nothing_and_everything() -> None:
    audio = spoken(*ANSWER)
    assert audio.heard_text(0) == ""
    assert audio.heard_text(audio.length_samples) == "".join(ANSWER)
    assert audio.heard_text(audio.length_samples + 99_999) == "".join(ANSWER)
    assert ReplyAudio(RATE_HZ).heard_text(1_000) == ""


def test_the_silence_after_the_last_word_belongs_to_no_word() -> None:
    """Cut in the long silence at the end, the sentence was heard."""
    audio = ReplyAudio(RATE_HZ)
    audio.begin_clause("We open at nine.")
    audio.add(np.concatenate([speech(16_000), silence(48_000)]))
    assert audio.heard_text(16_000) == "We open at nine."
    assert audio.heard_text(8_000) == "We open"


def test_a_clause_of_silence_was_not_heard_before_it_began() -> None:
    audio = ReplyAudio(RATE_HZ)
    audio.begin_clause("Inaudible.")
    audio.add(silence(1_600))
    audio.begin_clause("Audible.")
    audio.add(speech(1_600))
    assert audio.heard_text(0) == ""
    assert audio.heard_text(1_600) == "Inaudible."
    assert audio.heard_text(3_200) == "Inaudible. Audible."


def test_a_clause_without_audio_was_not_heard() -> None:
    audio = ReplyAudio(RATE_HZ)
    audio.begin_clause("Spoken.")
    audio.add(speech(1_600))
    audio.begin_clause("Never spoken.")
    audio.add(silence(0))
    assert audio.heard_text(99_999) == "Spoken."


async def collect(audio: ReplyAudio, first_sample: int) -> tuple[list[int], Samples]:
    positions, pieces = [], [silence(0)]
    async for position, samples in audio.read(first_sample):
        positions.append(position)
        pieces.append(samples)
    return positions, np.concatenate(pieces)


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=8), st.integers(0, 30_000))
async def test_reading_from_anywhere(lengths: list[int], first_sample: int) -> None:
    audio = ReplyAudio(RATE_HZ)
    audio.begin_clause("x")
    whole = np.arange(sum(lengths), dtype=np.float32)
    start = 0
    for length in lengths:
        audio.add(whole[start : start + length])
        start += length
    audio.finish()
    positions, heard = await collect(audio, first_sample)
    np.testing.assert_array_equal(heard, whole[first_sample:])
    chunk = RATE_HZ * CHUNK_MS // 1000
    assert positions == list(range(first_sample, len(whole), chunk))


async def test_reading_keeps_up_with_a_voice_that_still_speaks() -> None:
    audio = ReplyAudio(RATE_HZ)
    audio.begin_clause("x")
    heard: list[tuple[int, int]] = []
    over = anyio.Event()

    async def listen() -> None:
        async for position, samples in audio.read(0):
            heard.append((position, len(samples)))
        over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await idle()
        assert heard == []
        audio.add(speech(1_000))
        await idle()
        assert heard == [(0, 1_000)]
        audio.add(speech(2_000))
        audio.add(speech(100))
        await idle()
        assert heard == [(0, 1_000), (1_000, 1_600), (2_600, 500)]
        assert not over.is_set()
        assert not audio.finished
        audio.finish()
        await idle()
        assert over.is_set()
        assert audio.finished


async def test_a_reply_without_audio_is_over_at_once() -> None:
    audio = ReplyAudio(RATE_HZ)
    audio.finish()
    assert (await collect(audio, 0))[0] == []
