"""The composition root: builds, opens and closes everything. Layer 4; the only place that wires."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.to_thread

from aura_local.accounts.credentials import Authenticator
from aura_local.accounts.principal import Principal
from aura_local.catalogue.manifest import shipped_catalogues
from aura_local.catalogue.store import ModelStore
from aura_local.conversation.events import Citation
from aura_local.conversation.grounding import Grounding, Passage
from aura_local.conversation.hearing import WaitRules
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.prompt import PromptSettings
from aura_local.conversation.reply import Answering, AnswerStream, Question, Retrieve
from aura_local.conversation.session_options import SessionEngines, SessionOptions
from aura_local.conversation.speech_gate import GateSettings
from aura_local.conversation.spoken_reply import Notify
from aura_local.conversation.stopwatch import Stopwatch
from aura_local.conversation.turn_state import TurnRules
from aura_local.conversation.voice_session import VoiceSession
from aura_local.data_home import DataHome, open_data_home
from aura_local.engine_room import EngineRoom, Engines, EngineStatus
from aura_local.errors import AuraError
from aura_local.freed_memory import give_memory_back
from aura_local.indexing_queue import IndexingQueue
from aura_local.metrics import Metrics
from aura_local.ports import AudioSink, Caller, GenerationLimits, GroundingSentence
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.retriever import Retrieval, Retriever
from aura_local.session_metrics import TurnCounter
from aura_local.settings import LoadedSettings, Settings
from aura_local.storage.leases import TenantHandle

log = logging.getLogger(__name__)

IDLE_SWEEP_S = 15.0
"""How often indexes nobody uses are looked for."""


@dataclass(frozen=True, slots=True)
class ChatStream:
    """The answer to a typed question, with the conversation it belongs to."""

    session_id: str
    stream: AnswerStream


class Engine:
    """One process's worth of AURA Local: storage, engines, conversations."""

    def __init__(
        self,
        loaded: LoadedSettings,
        *,
        storage: DataHome,
        room: Engines,
    ) -> None:
        self.loaded = loaded
        self.catalog = storage.catalog
        self.leases = storage.leases
        self.credentials = Authenticator(storage.catalog)
        self.metrics = Metrics()
        self._room = room
        self._loaded = anyio.Event()
        self._ingestion: Ingestion | None = None
        self._retriever: Retriever | None = None
        self._answering: Answering | None = None
        self._indexing = IndexingQueue(
            catalog=storage.catalog,
            leases=storage.leases,
            ingestion=lambda: self.ingestion,
            metrics=self.metrics,
        )

    @property
    def settings(self) -> Settings:
        return self.loaded.values

    @classmethod
    @asynccontextmanager
    async def open(cls, loaded: LoadedSettings, *, room: Engines | None = None) -> AsyncIterator[Engine]:
        """Open the data folder and begin to load the engines; `ready` waits for them.

        Raises `ConfigurationError`, `KeyUnavailable`, `StorageUnavailable`. Leaving the block closes
        everything, in reverse order.
        """
        settings = loaded.values
        async with AsyncExitStack() as stack:
            storage = await stack.enter_async_context(open_data_home(settings))
            if room is None:
                room = EngineRoom(settings, ModelStore(await anyio.to_thread.run_sync(shipped_catalogues)))
            stack.push_async_callback(room.close)
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            engine = cls(loaded, storage=storage, room=room)
            tasks.start_soon(engine._load)
            tasks.start_soon(engine._sweep_idle)
            yield engine

    # --- engines ---------------------------------------------------------------------------------------

    async def ready(self) -> None:
        """Wait until every engine is loaded. Raises what kept the first of them from it."""
        await self._loaded.wait()
        for status in self.status():
            self._room.engine(status.job)

    @property
    def loading_finished(self) -> bool:
        """Whether loading is over, successfully or not."""
        return self._loaded.is_set()

    def status(self) -> tuple[EngineStatus, ...]:
        return self._room.status

    async def _load(self) -> None:
        await self._room.load()
        for name, waiting in self._room.queues.items():
            self.metrics.watch_lane(name, waiting)
        try:
            await self._answers().warm_up()
        except AuraError as error:
            log.warning("language model not warmed up", extra={"code": error.code})
        self._loaded.set()
        await self._indexing.run()

    # --- documents -------------------------------------------------------------------------------------

    @property
    def ingestion(self) -> Ingestion:
        """Raises what keeps the embedder from working."""
        if self._ingestion is None:
            self._ingestion = Ingestion(self._room.engine("embedder"))
        return self._ingestion

    @property
    def retriever(self) -> Retriever:
        """Raises what keeps the embedder from working."""
        if self._retriever is None:
            self._retriever = Retriever(self._room.engine("embedder"))
        return self._retriever

    def index_soon(self, tenant_id: str, document_id: str) -> None:
        """Index an accepted document in the background; it is taken up again after a crash."""
        self._indexing.add(tenant_id, document_id)

    # --- answering -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def answer(
        self, handle: TenantHandle, question: str, *, session_id: str | None, caller: Caller
    ) -> AsyncIterator[ChatStream]:
        """Answer a typed question; `session_id` continues an earlier conversation of the tenant.

        What was generated by the end of the block is remembered. Raises `NotFound` for an unknown
        session, and what the engines raise.
        """
        answering = self._answers()
        stopwatch = Stopwatch()
        if session_id is None:
            memory = await ConversationMemory.begin(handle.database, self.settings.voice.language)
        else:
            memory = await ConversationMemory.resume(handle.database, session_id)
        asked = Question(question, f"{handle.id}/{memory.session_id}", memory.exchanges, caller)
        async with answering.open(asked, self.retrieve_from(handle), stopwatch) as stream:
            yield ChatStream(memory.session_id, stream)
            answer = stream.answer
        self.metrics.work_done(answer.work)
        await memory.remember(
            question=question,
            answer=answer.text,
            heard=answer.text,
            cancelled=False,
            citations=answer.citations,
            stages_ms=answer.stages_ms,
        )

    async def voice_session(
        self,
        handle: TenantHandle,
        *,
        sink: AudioSink,
        notify: Notify,
        language: str | None = None,
        voice: str | None = None,
    ) -> VoiceSession:
        """A new conversation by voice; its caller runs it inside the lease of `handle`.

        Raises what keeps one of its engines from working.
        """
        settings = self.settings.voice
        language = language or settings.language
        engines = SessionEngines(
            voice_activity=self._room.engine("voice_activity"),
            turn_detector=self._room.engine("turn_detector"),
            speech_to_text=self._room.engine("speech_to_text"),
            text_to_speech=self._room.engine("text_to_speech"),
            answering=self._answers(),
        )
        options = SessionOptions(
            tenant_id=handle.id,
            language=language,
            voice=voice,
            partial_transcripts=settings.partial_transcripts,
            waits=WaitRules(
                settings.complete_silence_ms, settings.doubtful_silence_ms, settings.incomplete_silence_ms
            ),
            rules=TurnRules(
                speculation=settings.speculation,
                first_look_ms=settings.complete_silence_ms,
                doubted_wait_ms=settings.doubtful_silence_ms,
                utterance_limit_ms=settings.utterance_limit_s * 1000,
            ),
            gate=GateSettings(sustained_ms=settings.barge_in_ms),
        )
        return VoiceSession(
            engines=engines,
            options=options,
            retrieve=self.retrieve_from(handle),
            memory=await ConversationMemory.begin(handle.database, language),
            sink=sink,
            notify=notify,
            observer=TurnCounter(self.metrics),
        )

    def _answers(self) -> Answering:
        if self._answering is None:
            drafting = self._room.engine("language_model")
            quoting = self._room.quoting()
            trusted = self._room.trusted
            self._answering = Answering(
                drafting=drafting,
                quoting=None if trusted else quoting,
                declining=quoting,
                prompt=PromptSettings() if trusted else PromptSettings(exchanges=0, passages=0),
                limits=GenerationLimits(),
            )
        return self._answering

    def retrieve_from(self, handle: TenantHandle) -> Retrieve:
        """What one tenant's documents hold, as the answer path asks for it."""
        retriever = self.retriever

        async def retrieve(question: str, caller: Caller) -> Grounding:
            return _grounding(await retriever.retrieve(handle, question, caller=caller))

        return retrieve

    async def authenticate(self, presented: str) -> Principal:
        """The holder of an API key. Raises `AuthenticationFailed`."""
        return await self.credentials.authenticate(presented)

    async def _sweep_idle(self) -> None:
        while True:
            await anyio.sleep(IDLE_SWEEP_S)
            await self.leases.close_idle()
            await anyio.to_thread.run_sync(give_memory_back)


def _grounding(retrieval: Retrieval) -> Grounding:
    """The retrieval in the terms of the conversation."""
    passages = tuple(
        Passage(
            citation=Citation(
                document_id=found.document_id,
                document=found.document_name,
                heading=found.heading,
                page=found.page,
                passage_id=found.passage_id,
                start_character=found.start_character,
                end_character=found.end_character,
                quote="",
            ),
            text=found.text,
            score=found.score,
        )
        for found in retrieval.passages
    )
    sentences = [
        GroundingSentence(sentence.text, sentence.similarity, rank)
        for rank, found in enumerate(retrieval.passages)
        for sentence in found.sentences
    ]
    sentences.sort(key=lambda sentence: -sentence.similarity)
    return Grounding(passages, tuple(sentences), answerable=retrieval.answerable)
