"""The one answer path: trusted, checked, quoted, declined; and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from aura_local.adapters.scripted import ScriptedLanguageModel
from aura_local.conversation.events import Citation, CitationsFound, ReplyTextDelta
from aura_local.conversation.grounding import NOTHING_FOUND, Grounding, Passage
from aura_local.conversation.prompt import Exchange, PromptSettings
from aura_local.conversation.reply import DRAFT_LIMITS, Answer, AnswerEvent, Answering, Question
from aura_local.conversation.stopwatch import Stopwatch
from aura_local.errors import EngineUnavailable
from aura_local.ports import Caller, GenerationLimits, GenerationUsage, GroundingSentence, Priority
from tests.support.conversations import Documents, grounding
from tests.support.loop import idle

pytestmark = pytest.mark.anyio

CALLER = Caller("a", Priority.CHAT)
SOURCE = "The museum opens at nine on weekdays."
QUOTED = "On weekdays, we open at nine."


class Answers:
    """An answer path among stand-ins."""

    def __init__(self, *pieces: str, found: Grounding | None = None, trusted: bool = False) -> None:
        self.drafting = ScriptedLanguageModel([pieces], usage=GenerationUsage(100, 20, len(pieces)))
        self.quoting = ScriptedLanguageModel([[SOURCE]])
        self.declining = ScriptedLanguageModel([["That is not in my documents."]])
        self.documents = Documents(found=grounding(SOURCE) if found is None else found)
        self.stopwatch = Stopwatch()
        self.answering = Answering(
            drafting=self.drafting,
            quoting=None if trusted else self.quoting,
            declining=self.declining,
            prompt=PromptSettings(),
            limits=GenerationLimits(answer_tokens=99),
        )

    async def ask(
        self, text: str = "when does the museum open", history: Sequence[Exchange] = ()
    ) -> tuple[list[AnswerEvent], Answer]:
        question = Question(text, "a/1", tuple(history), CALLER)
        async with self.answering.open(question, self.documents.retrieve, self.stopwatch) as stream:
            events = [event async for event in stream]
        return events, stream.answer


def text_of(events: Sequence[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReplyTextDelta))


async def test_a_capable_model_says_it_in_its_own_words() -> None:
    answers = Answers("On weekdays ", "you can visit us, ", "from nine. Wel", "come!", trusted=True)
    events, answer = await answers.ask()
    assert text_of(events) == "On weekdays you can visit us, from nine. Welcome!"
    assert answer.text == text_of(events)
    assert isinstance(events[0], CitationsFound), "the source comes before the words that rest on it"
    assert answer.drafted
    assert answer.answered
    assert answer.citations[0].quote == SOURCE
    assert answer.usage == GenerationUsage(100, 20, 4)
    assert answer.work["prompt_tokens_reused"] == 20
    assert answers.quoting.conversations == []


async def test_a_trusted_model_gets_its_whole_length_and_a_checked_one_a_draft() -> None:
    trusted, checked = Answers("Yes.", trusted=True), Answers("Yes.")
    await trusted.ask()
    await checked.ask()
    assert trusted.drafting.script.calls[0][2] == GenerationLimits(answer_tokens=99)
    assert checked.drafting.script.calls[0][2] == DRAFT_LIMITS


async def test_a_supported_draft_is_said() -> None:
    answers = Answers("The museum ", "opens nine ", "weekdays.")
    events, answer = await answers.ask()
    assert answer.text == "The museum opens nine weekdays."
    assert answer.drafted
    assert answer.citations == (Citation("d1", "hours.md", "Hours", None, 3, 10, 42, SOURCE),)
    assert [type(event) for event in events] == [CitationsFound, ReplyTextDelta]
    assert answers.quoting.conversations == []
    assert answers.drafting.open_streams == 0


async def test_a_draft_that_copies_is_completed_from_its_source() -> None:
    answers = Answers("The ", "museum ", "opens ", "at ", "nine ", "on ", "weekdays.")
    _, answer = await answers.ask()
    assert answer.text == SOURCE
    assert answer.drafted
    assert answer.usage.generated_tokens < 7, "what is known already is not generated"


async def test_an_unsupported_draft_is_replaced_by_a_quotation() -> None:
    answers = Answers("The museum ", "opens at ten ", "on weekdays. ", "Come early!")
    events, answer = await answers.ask()
    assert text_of(events) == SOURCE
    assert not answer.drafted
    assert answer.citations[0].quote == SOURCE
    assert answer.usage.generated_tokens == 2, "stopped at the word that left the sources"
    assert answers.drafting.open_streams == 0


async def test_an_empty_draft_is_replaced_as_well() -> None:
    for pieces in ((), ("",), ("  ", "\n")):
        _, answer = await Answers(*pieces).ask()
        assert answer.text == SOURCE


async def test_a_quotation_cites_the_passage_of_each_sentence_once() -> None:
    other = Citation("d2", "cafe.md", "Cafe", None, 4, 0, 9, "")
    found = Grounding(
        (*grounding(SOURCE).passages, Passage(other, "The cafe is closed.", 0.5)),
        (
            GroundingSentence(SOURCE, 0.9, 0),
            GroundingSentence("It closes at six.", 0.85, 0),
            GroundingSentence("The cafe is closed.", 0.8, 1),
        ),
        answerable=True,
    )
    answers = Answers("Nonsense ", "here.", found=found)
    answers.quoting.answers = [[SOURCE, " It closes at six.", " The cafe is closed."]]
    events, answer = await answers.ask()
    assert [citation.document_id for citation in answer.citations] == ["d1", "d2"]
    assert answer.citations[1].quote == "The cafe is closed."
    assert len([event for event in events if isinstance(event, CitationsFound)]) == 2


async def test_a_quotation_of_more_than_one_sentence_keeps_its_source() -> None:
    two = "Guided tours start at ten. They take an hour."
    answers = Answers("Nonsense ", "here.", found=grounding(two))
    answers.quoting.answers = [[two]]
    _, answer = await answers.ask("how long are guided tours")
    assert answer.text == two
    assert [citation.quote for citation in answer.citations] == [two]


async def test_a_quotation_that_declines_cites_nothing() -> None:
    answers = Answers("Nonsense ", "here.")
    answers.quoting.answers = [["That is not in the documents I have."]]
    _, answer = await answers.ask()
    assert answer.citations == ()


async def test_without_anything_to_go_by_it_declines() -> None:
    answers = Answers("The museum opens at nine.", found=NOTHING_FOUND)
    _, answer = await answers.ask()
    assert answer.text == "That is not in my documents."
    assert (answer.answered, answer.drafted, answer.citations) == (False, False, ())
    assert answers.drafting.conversations == []


async def test_a_passage_without_known_sentences_is_cited_by_its_text() -> None:
    found = Grounding(grounding(SOURCE).passages, (), answerable=True)
    _, answer = await Answers("We open at nine.", found=found, trusted=True).ask()
    assert answer.text == "We open at nine."
    assert [citation.quote for citation in answer.citations] == [SOURCE]


async def test_a_sentence_that_no_passage_supports_is_not_said() -> None:
    answers = Answers("We open at nine. ", "The cafe closes at midnight. ", "Enjoy your visit!", trusted=True)
    events, answer = await answers.ask()
    assert text_of(events) == "We open at nine. Enjoy your visit!"
    assert answer.dropped_sentences == 1
    assert answer.usage.generated_tokens == 3, "what was generated is counted, said or not"


async def test_a_capable_model_none_of_whose_sentences_is_supported_is_replaced_by_a_quotation() -> None:
    answers = Answers("We open at ten. ", "Ask Robert Oxford.", trusted=True)
    answers.declining.answers = [[SOURCE]]
    _, answer = await answers.ask()
    assert answer.text == SOURCE
    assert [citation.quote for citation in answer.citations] == [SOURCE]
    assert (answer.drafted, answer.dropped_sentences) == (False, 2)


async def test_a_replaced_draft_is_counted() -> None:
    _, answer = await Answers("The museum opens at ten. ").ask()
    assert (answer.text, answer.dropped_sentences) == (SOURCE, 1)


async def test_a_quoted_row_of_a_table_is_said_as_far_as_it_was_asked_for() -> None:
    row = "Ticket: family | Price: £30 | Persons: 4 | Code: FT-30"
    answers = Answers("Nonsense ", "here.", found=grounding(row))
    answers.quoting.answers = [[row]]
    _, answer = await answers.ask("what is the price for a family")
    assert answer.text == "Ticket: family, Price: £30"
    assert [citation.quote for citation in answer.citations] == [row]


@pytest.mark.parametrize("trusted", [True, False])
async def test_what_is_searched_for_says_what_it_is_about(trusted: bool) -> None:
    answers = Answers("We open at nine.", trusted=trusted)
    history = [Exchange("how much is the guided tour", "It costs six euros.")]
    await answers.ask("how long does it take", history)
    question = Question("how long does it take", "a/1", tuple(history), CALLER)
    await answers.answering.prepare(question, answers.documents.retrieve)
    assert answers.documents.asked == ["how long does the guided tour take"] * 2
    (conversation,) = answers.drafting.conversations
    assert conversation.question == "how long does the guided tour take"
    assert conversation.messages[-1].text.endswith("how long does it take"), "shown with its history"


async def test_the_prompt_holds_the_history_and_the_key_of_its_cache() -> None:
    answers = Answers("Yes.", trusted=True)
    await answers.ask("and on sunday", [Exchange("when do you open", "We open at")])
    (conversation,) = answers.drafting.conversations
    assert conversation.id == "a/1"
    assert [message.text for message in conversation.messages[1:3]] == ["when do you open", "We open at"]
    assert conversation.messages[-1].text.endswith("and on sunday")


async def test_leaving_in_the_middle_stops_the_model_and_keeps_what_was_said() -> None:
    answers = Answers("One. ", "Two. ", "Three. ", found=grounding("One. Two. Three."), trusted=True)
    question = Question("when", "a/1", (), CALLER)
    async with answers.answering.open(question, answers.documents.retrieve, answers.stopwatch) as stream:
        async for event in stream:
            if isinstance(event, ReplyTextDelta):
                break
        assert answers.drafting.open_streams == 1
    assert answers.drafting.open_streams == 0
    assert stream.answer.text == "One."
    assert stream.answer.usage.generated_tokens == 1


async def test_cancelling_closes_the_model_as_well() -> None:
    answers = Answers("One. ", trusted=True)
    answers.drafting.script.hold = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answers.ask)
        await idle()
        assert answers.drafting.open_streams == 1
        tasks.cancel_scope.cancel()
    assert answers.drafting.open_streams == 0


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_failing_model_is_an_error_and_not_an_empty_answer(trusted: bool) -> None:
    answers = Answers("One. ", trusted=trusted)
    answers.drafting.script.failure = EngineUnavailable("broken")
    with pytest.raises(EngineUnavailable):
        await answers.ask()
    assert answers.drafting.open_streams == 0


async def test_a_failing_retrieval_is_an_error() -> None:
    answers = Answers("One. ")
    answers.documents.failure = EngineUnavailable("broken")
    with pytest.raises(EngineUnavailable):
        await answers.ask()


async def test_stages_are_marked_on_the_way() -> None:
    _, answer = await Answers(QUOTED).ask()
    assert list(answer.stages_ms) == ["retrieved", "first_text"]


async def test_preparing_warms_the_cache_of_the_conversation() -> None:
    answers = Answers("One.")
    question = Question("when does the", "a/1", (), CALLER)
    await answers.answering.prepare(question, answers.documents.retrieve)
    assert answers.drafting.script.calls == [("prepare", "a/1", CALLER)]
    answers.documents.found = NOTHING_FOUND
    assert await answers.answering.prepare(question, answers.documents.retrieve) == GenerationUsage()
    assert len(answers.drafting.script.calls) == 1


async def test_warming_up_leaves_nothing_behind() -> None:
    answers = Answers("One.")
    await answers.answering.warm_up()
    (name, conversation_id, _) = answers.drafting.script.calls[0]
    assert name == "prepare"
    assert answers.drafting.forgotten == [conversation_id]
