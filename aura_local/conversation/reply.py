"""The one answer path: a question in, a grounded answer with citations out.

Voice and chat both use it. Each sentence is checked against the passages before anyone hears it. Of a
capable language model the sentences that they do not support are left out. A very small one only drafts
one sentence, is checked more strictly, and is replaced by a quotation from the extractive answerer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TypeAlias

from aura_local.conversation.events import Citation, CitationsFound, ReplyTextDelta
from aura_local.conversation.grounding import NOTHING_FOUND, Grounding, SupportCheck, quoted_from
from aura_local.conversation.passage_check import PassageCheck
from aura_local.conversation.pieces import and_end, pieces_of, shortened
from aura_local.conversation.prompt import SYSTEM_TEXT, PromptSettings, build_conversation
from aura_local.conversation.question import Question as Question
from aura_local.conversation.quotation import speakable
from aura_local.conversation.sentences import ClauseSplitter
from aura_local.conversation.stopwatch import Stopwatch
from aura_local.errors import AuraError
from aura_local.ports import (
    Caller,
    Conversation,
    GenerationLimits,
    GenerationUsage,
    GroundingSentence,
    LanguageModel,
    Message,
    Priority,
)

Retrieve: TypeAlias = Callable[[str, Caller], Awaitable[Grounding]]
"""What the documents hold on a question; wired to one tenant's index by the engine."""

AnswerEvent: TypeAlias = CitationsFound | ReplyTextDelta
"""Their `reply_id` is 0; whoever publishes the answer puts its own."""

_Piece: TypeAlias = tuple[str, GroundingSentence | None]
"""Text to be said, and the sentence it rests on."""

WORTH_PREPARING = 0.4
"""Similarity from which the facts found for half a question are likely to be those of the whole one."""
DRAFT_LIMITS = GenerationLimits(answer_tokens=48)
"""A draft longer than any sentence of the passages has left them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, once the stream is exhausted."""

    text: str
    citations: tuple[Citation, ...]
    answered: bool
    """False when the documents hold nothing on the question."""
    clear: bool
    """Whether a sentence of theirs is plainly about it."""
    drafted: bool
    """Whether the language model's own words were used (rather than a quotation)."""
    usage: GenerationUsage
    stages_ms: Mapping[str, float]
    refusal: AuraError | None = None
    """Why nothing was looked up: the text says so instead of an answer."""
    dropped_sentences: int = 0
    """Sentences of the language model that were not said, because no passage supports them."""

    @property
    def work(self) -> dict[str, int]:
        """Tokens counted, by the names that `TurnMetrics.work` documents."""
        return asdict(self.usage)


class AnswerStream:
    """An answer on its way; iterate once. `answer` is what there is of it so far."""

    def __init__(self, progress: _Progress, events: AsyncGenerator[AnswerEvent, None]) -> None:
        self._progress = progress
        self._events = events

    def __aiter__(self) -> AsyncIterator[AnswerEvent]:
        return self._events

    @property
    def answer(self) -> Answer:
        return self._progress.answer


class Answering:
    """Composes retrieval, drafting and checking. Holds no state between answers."""

    def __init__(
        self,
        *,
        drafting: LanguageModel,
        quoting: LanguageModel | None,
        declining: LanguageModel,
        prompt: PromptSettings,
        limits: GenerationLimits,
    ) -> None:
        """`quoting` replaces unsupported drafts; None trusts the drafting model. `declining` says that
        the documents hold nothing on a question."""
        self._drafting = drafting
        self._quoting = quoting
        self._declining = declining
        self._prompt = prompt
        self._limits = limits

    async def warm_up(self) -> None:
        """Evaluate the system text once; every new conversation then begins behind it."""
        conversation = Conversation("warm-up", (Message("system", SYSTEM_TEXT), Message("user", "")), "")
        await self._drafting.prepare(conversation, caller=Caller("", Priority.BACKGROUND))
        await self._drafting.forget(conversation.id)

    async def prepare(self, question: Question, retrieve: Retrieve) -> GenerationUsage:
        """Retrieve for a question that is still being spoken and warm the prompt cache with its facts."""
        grounding = await retrieve(question.searched, question.caller)
        if not grounding.sentences or grounding.sentences[0].similarity < WORTH_PREPARING:
            return GenerationUsage()
        return await self._drafting.prepare(self._conversation(question, grounding), caller=question.caller)

    async def forget(self, conversation_id: str) -> None:
        """Drop what is cached for a conversation that is over."""
        await self._drafting.forget(conversation_id)

    @asynccontextmanager
    async def open(
        self, question: Question, retrieve: Retrieve, stopwatch: Stopwatch
    ) -> AsyncIterator[AnswerStream]:
        """Retrieve, then answer as the stream is read. Leaving the block stops all work on the answer."""
        grounding = await retrieve(question.searched, question.caller)
        if not grounding.answerable:
            grounding = NOTHING_FOUND
        stopwatch.mark("retrieved")
        progress = _Progress(grounding, self._conversation(question, grounding), question.caller, stopwatch)
        async with aclosing(self._events(progress)) as events:
            yield AnswerStream(progress, events)

    @asynccontextmanager
    async def refuse(
        self, question: Question, text: str, refusal: AuraError, stopwatch: Stopwatch
    ) -> AsyncIterator[AnswerStream]:
        """Say `text` and use no engine for it."""
        conversation = self._conversation(question, NOTHING_FOUND)
        progress = _Progress(NOTHING_FOUND, conversation, question.caller, stopwatch, refusal=refusal)

        async def events() -> AsyncGenerator[AnswerEvent, None]:
            stopwatch.mark("first_text")
            progress.text = text
            yield ReplyTextDelta(0, text)

        async with aclosing(events()) as told:
            yield AnswerStream(progress, told)

    def _conversation(self, question: Question, grounding: Grounding) -> Conversation:
        return build_conversation(
            question.conversation_id,
            question.text,
            grounding,
            question.history,
            self._prompt,
            searched=question.searched,
        )

    async def _events(self, progress: _Progress) -> AsyncGenerator[AnswerEvent, None]:
        if not progress.grounding.answerable:
            pieces = self._quoted(self._declining, progress)
        elif self._quoting is None:
            pieces = self._supported(progress)
        else:
            pieces = self._checked(self._quoting, progress)
        async with aclosing(pieces):
            async for text, support in pieces:
                progress.stopwatch.mark("first_text")
                if support is not None and progress.cite(support):
                    yield CitationsFound(0, tuple(progress.citations))
                progress.text += text
                yield ReplyTextDelta(0, text)

    async def _supported(self, progress: _Progress) -> AsyncGenerator[_Piece, None]:
        """A capable model: those of its sentences that a passage supports, else a quotation.

        Whole sentences, because the end of one may take back what its beginning says.
        """
        check = PassageCheck(progress.conversation.question, progress.grounding)
        splitter = ClauseSplitter(early_clause=False)
        stream_of = self._drafting.stream(progress.conversation, self._limits, caller=progress.caller)
        async with stream_of as stream:
            try:
                async with aclosing(pieces_of(stream, splitter)) as ready:
                    async for sentence in ready:
                        support = check.find(sentence)
                        if support is None:
                            progress.dropped += 1
                            continue
                        progress.drafted = True
                        yield sentence, support.source
            finally:
                progress.usage += stream.usage
        if not progress.drafted:
            async with aclosing(self._quoted(self._declining, progress)) as quotation:
                async for piece in quotation:
                    yield piece

    async def _quoted(self, quoting: LanguageModel, progress: _Progress) -> AsyncGenerator[_Piece, None]:
        """A model that quotes or declines: its sentences, each with the one that it is taken from."""
        conversation = progress.conversation
        async with (
            quoting.stream(conversation, self._limits, caller=progress.caller) as stream,
            aclosing(pieces_of(stream, ClauseSplitter(early_clause=False))) as ready,
        ):
            async for sentence in ready:
                source = quoted_from(sentence, conversation.grounding)
                yield sentence if source is None else shortened(sentence, conversation.question), source

    async def _checked(self, quoting: LanguageModel, progress: _Progress) -> AsyncGenerator[_Piece, None]:
        """A model that is not: sentences that the passages support, else a quotation.

        No token is generated that is known already: a draft that has left its sources stops at that
        word, and one that copies a source is completed from it.
        """
        conversation = progress.conversation
        check = SupportCheck(conversation.question, conversation.grounding)
        splitter = ClauseSplitter(early_clause=False)
        sentences: list[str] = []
        support = copied = None
        async with self._drafting.stream(conversation, DRAFT_LIMITS, caller=progress.caller) as stream:
            try:
                async with aclosing(and_end(stream)) as pieces:
                    async for piece in pieces:
                        sentences = splitter.finish() if piece is None else splitter.push(piece)
                        support = check.find(sentences[0]) if sentences else None
                        copied = None if sentences else check.copied(splitter.unfinished)
                        if support is not None or copied is not None:
                            progress.drafted = True
                            break
                        if sentences or not check.possible(splitter.unfinished):
                            break
            finally:
                progress.usage += stream.usage
        if support is not None:
            yield sentences[0], support
        elif copied is not None:
            yield speakable(copied.text, conversation.question), copied
        if progress.drafted:
            return
        progress.dropped += 1
        async with aclosing(self._quoted(quoting, progress)) as quotation:
            async for quoted in quotation:
                yield quoted


@dataclass(slots=True)
class _Progress:
    grounding: Grounding
    conversation: Conversation
    caller: Caller
    stopwatch: Stopwatch
    text: str = ""
    drafted: bool = False
    dropped: int = 0
    refusal: AuraError | None = None
    usage: GenerationUsage = field(default_factory=GenerationUsage)
    citations: list[Citation] = field(default_factory=list)

    @property
    def answer(self) -> Answer:
        return Answer(
            text=self.text.strip(),
            citations=tuple(self.citations),
            answered=self.grounding.answerable,
            clear=self.grounding.clear,
            drafted=self.drafted,
            usage=self.usage,
            stages_ms=self.stopwatch.stages_ms,
            refusal=self.refusal,
            dropped_sentences=self.dropped,
        )

    def cite(self, support: GroundingSentence) -> bool:
        """Add the passage of a sentence to the citations; False when it is there already."""
        place = self.grounding.passages[support.citation].citation
        if any(citation.passage_id == place.passage_id for citation in self.citations):
            return False
        self.citations.append(replace(place, quote=support.text))
        return True
