from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aura_server.app import create_app

from aura_local.catalogue.store import ModelStore
from aura_local.engine import Engine
from aura_local.engine_room import EngineStatus, Prepare
from aura_local.errors import ModelMissing
from aura_local.settings_sources import load_settings
from tests.server.conftest import Product, client_for, key_of_new_tenant
from tests.server.serving import serving
from tests.support.engine import ScriptedRoom

pytestmark = pytest.mark.anyio
JOBS = {"voice_activity", "turn_detector", "speech_to_text", "embedder", "language_model", "text_to_speech"}


async def test_liveness_says_nothing_else_to_strangers(product: Product) -> None:
    answer = await product.anonymous.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert (await product.anonymous.get("/health?ready")).status_code == 401
    assert (await product.anonymous.get("/health", headers={"authorization": "Bearer x"})).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/health?ready"])
async def test_readiness_per_engine(product: Product, path: str) -> None:
    answer = await product.client.get(path)
    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert {(one["job"], one["state"]) for one in answer.json()["engines"]} == {
        (job, "loaded") for job in JOBS
    }


async def test_voice_status_names_engines_and_models(product: Product) -> None:
    status = (await product.client.get("/voice/status")).json()
    assert (status["ready"], status["profile"]) == (True, "auto")
    by_job = {one["job"]: one for one in status["engines"]}
    assert set(by_job) == JOBS
    assert by_job["speech_to_text"] == {
        "job": "speech_to_text",
        "state": "loaded",
        "engine": "scripted",
        "model": "scripted",
        "synthetic": False,
        "note": "",
        "message": "",
        "command": "",
        "loading": "",
    }


@dataclass(frozen=True, slots=True)
class RoomWithoutEmbedder:
    """As if the embedder's weights were not installed."""

    inner: ScriptedRoom

    @property
    def trusted(self) -> bool:
        return self.inner.trusted

    @property
    def status(self) -> tuple[EngineStatus, ...]:
        missing = EngineStatus("embedder", "missing", "minilm", "m", message="Not there.", command="get m")
        return tuple(missing if one.job == "embedder" else one for one in self.inner.status)

    async def load(self) -> None:
        await self.inner.load()

    @property
    def queues(self) -> dict[str, Any]:
        return {}

    @property
    def longest_hold_s(self) -> float:
        return 0.0

    def engine(self, job: str) -> Any:
        if job == "embedder":
            raise ModelMissing("Not there.")
        return self.inner.engine(job)

    def hold(self, job: str) -> AbstractAsyncContextManager[Any]:
        return self.inner.hold(job)

    async def swap(self, name: str, store: ModelStore, prepare: Prepare) -> EngineStatus:
        return await self.inner.swap(name, store, prepare)

    def quoting(self) -> Any:
        return self.inner.quoting()

    async def close(self) -> None:
        await self.inner.close()


async def test_what_is_missing_is_said_and_makes_it_not_ready(tmp_path: Path) -> None:
    arguments = {"home": tmp_path / "home", "master_key_file": tmp_path / "key" / "master.key"}
    room = RoomWithoutEmbedder(ScriptedRoom())
    async with Engine.open(load_settings(arguments, {}), room=room) as engine:
        key = await key_of_new_tenant(engine, "Cedar Church")
        async with (
            serving(create_app(engine, pages=tmp_path)) as port,
            client_for(f"http://127.0.0.1:{port}", key) as client,
        ):
            assert (await client.get("/health")).status_code == 200
            assert (await client.get("/health?ready")).status_code == 503
            report = {one["job"]: one for one in (await client.get("/voice/status")).json()["engines"]}
            assert (report["embedder"]["state"], report["embedder"]["command"]) == ("missing", "get m")
            refused = await client.post("/api/chat", json={"question": "hello"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_missing")


async def test_metrics_count_requests_by_template_and_name_no_tenant(product: Product) -> None:
    await product.client.get("/api/documents/doc_unknown?secret=1")
    text = (await product.client.get("/metrics")).text
    assert 'route="/api/documents/{document_id}",status="404"' in text
    for hidden in ("Alder", "Birch", "doc_unknown", "secret"):
        assert hidden not in text
