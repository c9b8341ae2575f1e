"""Sessions come and go, one after the other and many at once, and leave nothing behind.

`scripts/torture sessions` and `scripts/torture parallel` run the same at full size.
"""

from __future__ import annotations

import pytest

from aura_local.benchmark.labelled_speech import UtteranceMaker
from aura_local.benchmark.process_figures import MB, look_at
from aura_local.benchmark.questions import answerable_questions, normalise
from aura_local.benchmark.session_load import cycle_sessions, visit_at_once
from tests.e2e.product_server import Product

pytestmark = [pytest.mark.anyio, pytest.mark.engines, pytest.mark.llama, pytest.mark.starter]

CYCLES = 10
AT_ONCE = 3
GROWTH_MB = 15.0
"""What the allocator keeps in pieces stays below; `scripts/torture sessions` tells a leak from it."""
READY_MB = 700


async def test_ten_sessions_leave_no_thread_descriptor_or_task(
    product: Product, maker: UtteranceMaker
) -> None:
    questions = [question.spoken for question in answerable_questions()[:5]]
    utterances = await maker.make(questions, paused_share=0)
    left = await cycle_sessions(product.server, utterances, maker.room, cycles=CYCLES)
    assert left.answered == CYCLES
    assert left.sessions_open == 0
    assert left.tasks <= 0
    assert left.descriptors <= 0
    assert left.threads <= 0
    assert left.resident_mb <= GROWTH_MB
    assert look_at(product.process.pid).resident_bytes <= READY_MB * MB
    product.assert_well()


async def test_three_at_once_are_each_answered_rightly(product: Product, maker: UtteranceMaker) -> None:
    questions = answerable_questions()[: 2 * AT_ONCE]
    utterances = await maker.make([question.spoken for question in questions], paused_share=0)
    pairs = [utterances[place : place + 2] for place in range(0, len(utterances), 2)]
    visits = await visit_at_once(product.server, pairs, maker.room)
    by_question = {visit.said: visit for visit in visits}
    assert len(by_question) == len(questions)
    for question in questions:
        visit = by_question[question.spoken]
        assert visit.errors == []
        assert visit.finished, question.id
        assert visit.audio_samples > 0
        assert question.answered_by(visit.answer), question.id
        assert question.document in visit.documents, question.id
        assert normalise(visit.heard) == normalise(question.spoken), question.id
    product.assert_well()
