"""A model is exchanged under its users: what they hold, when the old one closes, what a refusal leaves."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from aura_local.adapters.registry import AdapterContext
from aura_local.adapters.scripted import ScriptedTextToSpeech, ScriptedVoiceActivity
from aura_local.catalogue.manifest import shipped_catalogues
from aura_local.catalogue.store import ModelStore
from aura_local.engine_room import EngineRoom
from aura_local.engine_status import EngineStatus
from aura_local.errors import AuraError, Busy, Conflict, EngineUnavailable, StorageFull
from aura_local.lanes import Lane
from aura_local.lent_engines import FollowingStream
from aura_local.settings import EngineSettings, Settings

pytestmark = pytest.mark.anyio

VOICE, OTHER, BIG = "piper-synthetic", "piper-other", "piper-big"


@dataclass
class Workshop:
    """A room whose engines are scripted, with two more voices than the catalogue has."""

    opened: dict[str, list[ScriptedTextToSpeech]] = field(default_factory=dict)
    failures: dict[str, AuraError] = field(default_factory=dict)
    may_open: threading.Event = field(default_factory=threading.Event)
    available_bytes: int | None = 10**9
    prepared: list[Any] = field(default_factory=list)
    refusal: AuraError | None = None

    def __post_init__(self) -> None:
        entries = shipped_catalogues()
        voice = next(entry for entry in entries if entry.name == VOICE)
        more = (
            voice.model_copy(update={"name": OTHER}),
            voice.model_copy(update={"name": BIG, "memory_bytes": 2 * 10**9}),
        )
        self.store = ModelStore([*entries, *more])
        settings = Settings(
            home=Path("unused/home"),
            master_key_file=Path("unused/key"),
            profile="demo",
            engines=EngineSettings(text_to_speech=VOICE, verify_models=False, cores=1),
        )
        self.room = EngineRoom(
            settings, self.store, available_bytes=lambda: self.available_bytes, open_engine=self.open
        )
        self.may_open.set()

    def open(self, job: str, engine: str, context: AdapterContext) -> ScriptedTextToSpeech:
        self.may_open.wait()
        Lane(job, context.budget)
        if context.model in self.failures:
            raise self.failures[context.model]
        made = ScriptedTextToSpeech()
        self.opened.setdefault(context.model, []).append(made)
        return made

    async def prepare(self, engine: Any) -> None:
        self.prepared.append(engine)
        if self.refusal is not None:
            raise self.refusal

    async def swap(self, name: str) -> EngineStatus:
        return await self.room.swap(name, self.store, self.prepare)

    def made(self, name: str) -> ScriptedTextToSpeech:
        (engine,) = self.opened[name]
        return engine

    @property
    def status(self) -> EngineStatus:
        return next(status for status in self.room.status if status.job == "text_to_speech")


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    made = Workshop()
    await made.room.load()
    yield made
    await made.room.close()


async def test_who_holds_the_old_engine_keeps_it_and_the_last_one_closes_it(workshop: Workshop) -> None:
    room, old = workshop.room, workshop.made(VOICE)
    async with room.hold("text_to_speech") as first:
        async with room.hold("text_to_speech") as second:
            status = await workshop.swap(OTHER)
            assert (status.model, status.state, status.loading) == (OTHER, "loaded", "")
            assert first is second is old
            assert workshop.prepared == [workshop.made(OTHER)]
            async with room.hold("text_to_speech") as third:
                assert third is room.engine("text_to_speech") is workshop.made(OTHER)
        assert not old.script.closed, "somebody still speaks with it"
    assert old.script.closed
    assert not workshop.made(OTHER).script.closed


async def test_an_engine_that_nobody_holds_closes_at_once(workshop: Workshop) -> None:
    await workshop.swap(OTHER)
    assert workshop.made(VOICE).script.closed


async def test_a_cancelled_user_closes_the_replaced_engine_too(workshop: Workshop) -> None:
    async with anyio.create_task_group() as tasks:
        held = anyio.Event()

        async def speak() -> None:
            async with workshop.room.hold("text_to_speech"):
                held.set()
                await anyio.sleep_forever()

        tasks.start_soon(speak)
        await held.wait()
        await workshop.swap(OTHER)
        tasks.cancel_scope.cancel()
    assert workshop.made(VOICE).script.closed


async def test_what_cannot_be_opened_changes_nothing(workshop: Workshop) -> None:
    room, before = workshop.room, workshop.status
    queue = room.queues["text_to_speech"]
    workshop.failures[OTHER] = EngineUnavailable("no voice in there")
    with pytest.raises(EngineUnavailable, match="no voice in there"):
        await workshop.swap(OTHER)
    assert workshop.status == before
    assert room.engine("text_to_speech") is workshop.made(VOICE)
    assert room.queues["text_to_speech"] is queue
    assert not workshop.made(VOICE).script.closed
    del workshop.failures[OTHER]
    await workshop.swap(OTHER)
    assert room.queues["text_to_speech"] is not queue


async def test_a_cancelled_exchange_leaves_the_old_queue_to_be_watched(workshop: Workshop) -> None:
    queue = workshop.room.queues["text_to_speech"]
    with anyio.CancelScope() as asked:

        async def whoever_asked_goes(engine: object) -> None:
            asked.cancel()
            await anyio.lowlevel.checkpoint()

        await workshop.room.swap(OTHER, workshop.store, whoever_asked_goes)
    assert workshop.made(OTHER).script.closed
    assert workshop.room.queues["text_to_speech"] is queue
    assert workshop.status.loading == ""


async def test_what_cannot_be_prepared_is_closed_and_never_used(workshop: Workshop) -> None:
    workshop.refusal = StorageFull("the audit log is full")
    with pytest.raises(StorageFull):
        await workshop.swap(OTHER)
    assert workshop.made(OTHER).script.closed
    assert workshop.room.engine("text_to_speech") is workshop.made(VOICE)
    assert workshop.status.model == VOICE


async def test_the_new_model_is_shown_beside_the_old_and_a_third_one_waits(workshop: Workshop) -> None:
    workshop.may_open.clear()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workshop.swap, OTHER)
        with anyio.fail_after(5):
            while not workshop.status.loading:
                await anyio.lowlevel.checkpoint()
        assert (workshop.status.model, workshop.status.state) == (VOICE, "loaded")
        assert workshop.status.loading == OTHER
        async with workshop.room.hold("text_to_speech") as voice:
            assert voice is workshop.made(VOICE)
        with pytest.raises(Busy):
            await workshop.swap(BIG)
        workshop.may_open.set()
    assert (workshop.status.model, workshop.status.loading) == (OTHER, "")


async def test_two_models_must_fit_into_memory_where_it_is_known(workshop: Workshop) -> None:
    with pytest.raises(Conflict, match=r"needs about 2,000 MB .* 1,000 MB are free") as refused:
        await workshop.swap(BIG)
    assert refused.value.code == "needs_restart"
    assert BIG not in workshop.opened
    workshop.available_bytes = None
    await workshop.swap(BIG)
    assert workshop.status.model == BIG


async def test_another_embedder_needs_another_index(workshop: Workshop) -> None:
    with pytest.raises(Conflict, match="aura reindex") as refused:
        await workshop.swap("multilingual-e5-small")
    assert refused.value.code == "needs_restart"


async def test_the_model_that_does_its_job_already_is_left_alone(workshop: Workshop) -> None:
    await workshop.swap(VOICE)
    await workshop.swap("all-MiniLM-L6-v2")  # the embedder, too
    assert workshop.prepared == []
    assert not workshop.made(VOICE).script.closed


async def test_a_job_that_nobody_does_is_taken_up_without_a_restart() -> None:
    workshop = Workshop(failures={VOICE: EngineUnavailable("broken")}, available_bytes=0)
    await workshop.room.load()
    assert workshop.status.state == "failed"
    await workshop.swap(OTHER)
    assert (workshop.status.state, workshop.status.message) == ("loaded", "")
    assert workshop.room.engine("text_to_speech") is workshop.made(OTHER)
    await workshop.room.close()


async def test_closing_the_room_closes_what_was_replaced_and_is_still_held(workshop: Workshop) -> None:
    async with workshop.room.hold("text_to_speech"):
        await workshop.swap(OTHER)
        await workshop.room.close()
        assert workshop.made(VOICE).script.closed
        assert workshop.made(OTHER).script.closed


async def test_a_stream_goes_on_in_the_detector_that_has_come() -> None:
    import numpy as np

    frame = np.zeros(512, dtype=np.float32)
    detectors = [ScriptedVoiceActivity([0.1, 0.2, 0.3]), ScriptedVoiceActivity([0.7, 0.8])]
    current = [detectors[0]]
    stream = FollowingStream(lambda: current[0])
    assert [stream.probability(frame), stream.probability(frame)] == [0.1, 0.2]
    current[0] = detectors[1]
    assert [stream.probability(frame), stream.probability(frame)] == [0.7, 0.8]
