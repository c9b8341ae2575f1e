"""Six cells of the echo matrix on the real engines: own voice at the corners, with and without a question."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.benchmark.echo_matrix import hear_own_voice, speak_over
from aura_local.benchmark.echo_room import Acoustics
from aura_local.benchmark.labelled_speech import UtteranceMaker
from tests.e2e.test_voice_loop import museum_engine

pytestmark = [pytest.mark.anyio, pytest.mark.engines, pytest.mark.llama, pytest.mark.starter]

LOUD_AND_LATE = Acoustics(400, -3.0, seed=3)
CORNERS = (Acoustics(20, -3.0, seed=1), Acoustics(200, -20.0, seed=2), LOUD_AND_LATE)


async def test_a_reply_is_interrupted_by_a_question_and_never_by_itself(
    copied_museum: Path, maker: UtteranceMaker
) -> None:
    question = await maker.speak("how much is an adult ticket", "en-us")
    over = await maker.speak("is there a discount online", "en-us+f3")
    async with museum_engine(copied_museum, {"voice.partial_transcripts": False}) as museum:
        for acoustics in CORNERS:
            alone = await hear_own_voice(museum.engine, museum.handle, acoustics, question)
            assert (alone.answered, alone.false_turns) == (True, 0), alone
            cut = await speak_over(museum.engine, museum.handle, acoustics, (question, over), 0.6)
            assert cut.interrupted, cut


async def test_without_cancellation_it_hears_itself(copied_museum: Path, maker: UtteranceMaker) -> None:
    """What the others prove, they prove: the same room is too loud for a session that hears its echo."""
    question = await maker.speak("how much is an adult ticket", "en-us")
    async with museum_engine(copied_museum) as museum:
        case = await hear_own_voice(museum.engine, museum.handle, LOUD_AND_LATE, question, cancelled=False)
    assert case.false_turns > 0
