"""The composition root: builds, opens and closes everything. Layer 4; the only place that wires."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.to_thread

from aura_local.accounts.principal import Principal
from aura_local.audit.chain import AuditLog
from aura_local.catalogue.known_models import known_store
from aura_local.conversation.hearing import WaitRules
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.reply import AnswerStream, Question
from aura_local.conversation.session_options import SessionOptions
from aura_local.conversation.speech_gate import GateSettings
from aura_local.conversation.spoken_reply import Notify
from aura_local.conversation.stopwatch import Stopwatch
from aura_local.conversation.turn_state import TurnRules
from aura_local.conversation.voice_session import VoiceSession
from aura_local.conversation.wake_phrase import WakePhrase
from aura_local.data_home import AskPassphrase, DataHome, open_data_home
from aura_local.engine_room import EngineRoom, Engines, EngineStatus
from aura_local.errors import AuraError
from aura_local.freed_memory import give_memory_back
from aura_local.grounded_retrieval import retrieve_for
from aura_local.indexing_queue import IndexingQueue
from aura_local.lent_engines import LentEngines
from aura_local.metering.ledger import UsageKind
from aura_local.metering.quotas import Quotas
from aura_local.metrics import Metrics
from aura_local.ports import AudioSink, Caller, GenerationLimits, Priority
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.readers.limits import reading_limits
from aura_local.retrieval.retriever import Retriever
from aura_local.session_allowance import SPOKEN_ANSWER, TYPED_ANSWER, SessionAllowance
from aura_local.session_metrics import TurnCounter
from aura_local.settings import Settings
from aura_local.settings_sources import LoadedSettings
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

    def __init__(self, loaded: LoadedSettings, *, storage: DataHome, room: Engines) -> None:
        self.loaded = loaded
        self.catalog = storage.catalog
        self.leases = storage.leases
        self.accounts = storage.accounts
        self.administration = storage.administration
        self.quotas = Quotas(self.settings.tiers, self.settings.metering.default_tier)
        self.metrics = Metrics()
        self._room = self.room = room
        self._loaded = anyio.Event()
        self._ingestion: Ingestion | None = None
        self._retriever: Retriever | None = None
        self.lent = LentEngines(room, GenerationLimits(self.settings.limits.answer_tokens))
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
    async def open(
        cls, loaded: LoadedSettings, *, room: Engines | None = None, passphrase: AskPassphrase | None = None
    ) -> AsyncIterator[Engine]:
        """Open the data folder and begin to load the engines; `ready` waits for them.

        `passphrase` is asked where the master key is behind one, see `aura_local.passphrase`.
        Raises `ConfigurationError`, `KeyUnavailable`, `StorageUnavailable`. Leaving the block closes
        everything, in reverse order.
        """
        settings = loaded.values
        async with AsyncExitStack() as stack:
            storage = await stack.enter_async_context(open_data_home(settings, passphrase))
            if room is None:
                room = EngineRoom(settings, await anyio.to_thread.run_sync(known_store, settings.home))
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
        self.watch_lanes()
        try:
            async with self._room.hold("language_model") as drafting:
                await self.lent.warm_up(drafting)
        except AuraError as error:
            log.warning("language model not warmed up", extra={"code": error.code})
        self._loaded.set()
        await self._indexing.run()

    def watch_lanes(self) -> None:
        """Report the queues of all engines that are loaded; to be called again when that changes."""
        for name, waiting in self._room.queues.items():
            self.metrics.watch_lane(name, waiting)

    # --- documents -------------------------------------------------------------------------------------

    @property
    def ingestion(self) -> Ingestion:
        """Raises what keeps the embedder from working."""
        if self._ingestion is None:
            limits = reading_limits(self.settings.documents)
            self._ingestion = Ingestion(self._room.engine("embedder"), limits=limits)
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
        self, handle: TenantHandle, question: str, *, asker: Principal, session_id: str | None
    ) -> AsyncIterator[ChatStream]:
        """Answer a typed question; `session_id` continues an earlier conversation of the asker.

        What was generated by the end of the block is remembered and entered in the ledger. Raises
        `NotFound` for an unknown session, `QuotaExceeded`, and what the engines raise.
        """
        self._room.engine("language_model")  # raises before anything is written
        stopwatch = Stopwatch()
        owner, language = asker.subject, self.settings.voice.language
        if session_id is None:
            memory = await ConversationMemory.begin(
                handle.database, language, owner=owner, kept=asker.remembered
            )
        else:
            memory = await ConversationMemory.resume(handle.database, session_id, owner=owner)
        caller = Caller(handle.id, Priority.CHAT)
        asked = Question(question, f"{handle.id}/{memory.session_id}", memory.exchanges, caller, language)
        allowance = await self._allowance(handle, asker, TYPED_ANSWER)
        retrieve = retrieve_for(self.retriever, handle, asker)
        async with (
            self.lent.answering() as answering,
            allowance.reserve(),
            answering.open(asked, retrieve, stopwatch) as stream,
        ):
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
            used=allowance.spent(f"{memory.session_id}/typed/{secrets.token_hex(8)}", answer.work),
        )

    async def voice_session(
        self,
        handle: TenantHandle,
        *,
        asker: Principal,
        sink: AudioSink,
        notify: Notify,
        language: str | None = None,
        voice: str | None = None,
        wake: WakePhrase | None = None,
    ) -> VoiceSession:
        """A new conversation by voice; its caller runs it inside the lease of `handle`.

        With `wake`, only what begins with its phrase, or follows an answer closely, is answered and kept.

        Raises what keeps one of its engines from working.
        """
        settings = self.settings.voice
        language = language or settings.language
        self.lent.require()
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
                doubted_wait_ms=settings.incomplete_silence_ms,
                utterance_limit_ms=settings.utterance_limit_s * 1000,
            ),
            gate=GateSettings(sustained_ms=settings.barge_in_ms),
            wake=wake,
        )
        return VoiceSession(
            engines=self.lent,
            options=options,
            retrieve=retrieve_for(self.retriever, handle, asker),
            memory=await ConversationMemory.begin(
                handle.database, language, owner=asker.subject, kept=asker.remembered
            ),
            sink=sink,
            notify=notify,
            observer=TurnCounter(self.metrics),
            allowance=await self._allowance(handle, asker, SPOKEN_ANSWER),
        )

    async def _allowance(
        self, handle: TenantHandle, asker: Principal, reserved: Mapping[UsageKind, int]
    ) -> SessionAllowance:
        tier = (await self.catalog.tenant(handle.id)).tier
        return SessionAllowance(self.quotas, handle, asker, tier, reserved)

    # --- who asks --------------------------------------------------------------------------------------

    async def authenticate(self, presented: str, *, origin: str | None = None) -> Principal:
        """The holder of a credential of any kind. Raises `AuthenticationFailed`, `TenantSuspended`."""
        return await self.accounts.authenticator.authenticate(presented, origin=origin)

    async def still_good(self, principal: Principal) -> bool:
        """Whether a socket that the principal has open may stay open."""
        return await self.accounts.authenticator.still_good(principal)

    async def admit_request(self, principal: Principal) -> None:
        """Count a request against the tenant's tier. Raises `TooManyRequests`."""
        if principal.tenant_id is not None:
            tier = (await self.catalog.tenant(principal.tenant_id)).tier
            self.quotas.admit_request(principal.tenant_id, tier)

    async def admit_session(self, principal: Principal, open_sessions: int) -> None:
        """Raises `TooManySessions` unless the tenant's tier allows one more than are open."""
        tier = (await self.catalog.tenant(principal.tenant)).tier
        self.quotas.admit_session(principal.tenant, tier, open_sessions)

    def audit_log(self, chain: str) -> AuditLog:
        """Of a tenant by its id, or of the platform."""
        return AuditLog(self.catalog.database, chain)

    async def _sweep_idle(self) -> None:
        while True:
            await anyio.sleep(IDLE_SWEEP_S)
            await self.leases.close_idle()
            await anyio.to_thread.run_sync(give_memory_back)
