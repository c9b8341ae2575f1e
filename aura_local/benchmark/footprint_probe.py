"""Opens an engine, tenants and conversations in this process and prints what each adds, as JSON.

Run by `footprint` in a process of its own: `python -m aura_local.benchmark.footprint_probe FOLDER`. Each
kind is used once beforehand, because the first of a kind also loads its code.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import anyio

from aura_local.benchmark.labelled_speech import Utterance, UtteranceMaker, open_speaker
from aura_local.benchmark.process_figures import MB, look_at
from aura_local.benchmark.questions import answerable_questions
from aura_local.benchmark.spoken_conversation import hold_conversation
from aura_local.demo_tenant import demo_documents
from aura_local.egress import forbid_egress
from aura_local.engine import Engine
from aura_local.freed_memory import give_memory_back
from aura_local.ports import Caller, Priority
from aura_local.settings_sources import load_settings
from aura_local.storage.leases import TenantHandle

TENANTS: Final = 4
CONVERSATIONS: Final = 4
QUESTION: Final = "When does the museum open?"


async def probe(folder: Path) -> dict[str, object]:
    """Figures in MB, per tenant and per conversation."""
    arguments = {
        "home": folder / "home",
        "master_key_file": folder / "key" / "master.key",
        "profile": "demo",
        "limits.disk_reserve_bytes": 0,
    }
    loaded = load_settings(arguments, {})
    async with Engine.open(loaded) as engine:
        await engine.ready()
        for number in range(TENANTS + 1):
            await _fill(engine, f"Museum {number}")
    # Opened anew, so that what indexing needed is not counted.
    async with Engine.open(loaded) as engine, open_speaker() as speaker, AsyncExitStack() as open_tenants:
        await engine.ready()
        tenants = await engine.catalog.tenants()
        first = await open_tenants.enter_async_context(engine.leases.lease(tenants[0].id))
        await _look_up(engine, first)
        before = _resident_mb()
        handles = []
        for tenant in tenants[1:]:
            handle = await open_tenants.enter_async_context(engine.leases.lease(tenant.id))
            await _look_up(engine, handle)
            handles.append(handle)
        opened = _resident_mb()
        for handle in handles:
            await handle.close_idle_index(0)
        give_memory_back()  # as the engine does whenever it has looked for idle indexes
        closed = _resident_mb()
        maker = UtteranceMaker(speaker)
        questions = [question.spoken for question in answerable_questions()[:3]]
        utterances = await maker.make(questions, paused_share=0)
        await _converse(engine, first, maker, utterances, at_once=1)
        quiet = _resident_mb()
        talking = await _converse(engine, first, maker, utterances, at_once=CONVERSATIONS)
        return {
            "open_tenant_mb": round((opened - before) / TENANTS, 2),
            "closed_index_mb": round((closed - before) / TENANTS, 2),
            "conversation_mb": round((talking - quiet) / CONVERSATIONS, 2),
            "models": {status.job: status.model for status in engine.status()},
        }


async def _fill(engine: Engine, name: str) -> None:
    tenant = await engine.catalog.create_tenant(name)
    async with engine.leases.lease(tenant.id) as handle:
        for path in demo_documents():
            record = await engine.ingestion.add(handle, path.name, _content(path))
            await engine.ingestion.index(handle, record.id)


async def _content(path: Path) -> AsyncIterator[bytes]:
    yield await anyio.Path(path).read_bytes()


async def _look_up(engine: Engine, handle: TenantHandle) -> None:
    await engine.retriever.retrieve(handle, QUESTION, caller=Caller(handle.id, Priority.CHAT))


async def _converse(
    engine: Engine, handle: TenantHandle, maker: UtteranceMaker, utterances: list[Utterance], *, at_once: int
) -> float:
    """So many conversations, each after all its questions and still open; resident MB at that moment."""
    async with AsyncExitStack() as conversations:
        for _ in range(at_once):
            talk = await conversations.enter_async_context(
                hold_conversation(engine, handle, maker, real_time=False)
            )
            async for _ in talk.turns(utterances):
                pass
        return _resident_mb()


def _resident_mb() -> float:
    """After what nobody holds any more has gone back to the system: the rest is in use."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return look_at(os.getpid()).resident_bytes / MB


def main() -> None:
    forbid_egress()
    sys.stdout.write(json.dumps(anyio.run(probe, Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
