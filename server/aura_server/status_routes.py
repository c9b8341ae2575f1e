"""Is the server alive, is it ready, what does each job, and how much has been done. Layer 5.

`GET /health` without a key is liveness alone: 200 as long as the process answers. With a key it adds the
state of each engine; with `?ready` (and a key) its status is 503 until every engine is loaded, which is
what a supervisor or load balancer asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from aura_local.metrics import CONTENT_TYPE
from aura_server.authentication import presented_credential, principal_of
from aura_server.operations import Operation, json_answer

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine


class EngineState(BaseModel):
    """How far one job is."""

    model_config = ConfigDict(from_attributes=True)

    job: str
    state: Literal["loaded", "loading", "missing", "failed"]


class Health(BaseModel):
    """Liveness; readiness only for those who present a key."""

    status: Literal["ok"] = "ok"
    ready: bool | None = None
    engines: list[EngineState] | None = None


class EngineReport(EngineState):
    """Who does a job."""

    engine: str
    """Adapter, e.g. `whisper`; empty while none is chosen."""
    model: str
    synthetic: bool
    """Trained on synthetic speech: for tests and demos, not for people."""
    note: str
    """Its limits, measured where possible."""
    message: str
    """What is wrong or missing; empty when nothing is."""
    command: str
    """The one command that gets what is missing, or something better."""
    loading: str
    """The model that is being loaded to take its place; empty where none is."""


class VoiceStatus(BaseModel):
    """Which engine and model does each job."""

    ready: bool
    profile: str
    engines: list[EngineReport]


def status_operations(engine: Engine) -> list[Operation]:
    """`/health`, `/voice/status` and `/metrics`."""

    def is_ready() -> bool:
        return all(status.state == "loaded" for status in engine.status())

    async def health(request: Request) -> ASGIApp:
        asks_ready = "ready" in request.query_params
        if presented_credential(request.headers) is None and not asks_ready:
            return Response('{"status":"ok"}', media_type="application/json")
        await principal_of(engine, request.headers, "status.read")
        states = [EngineState.model_validate(status) for status in engine.status()]
        ready = is_ready()
        status = 503 if asks_ready and not ready else 200
        return json_answer(Health(ready=ready, engines=states), status)

    async def voice_status(_request: Request, _principal: Principal) -> ASGIApp:
        reports = [EngineReport.model_validate(status) for status in engine.status()]
        return json_answer(VoiceStatus(ready=is_ready(), profile=engine.settings.profile, engines=reports))

    async def metrics(_request: Request, _principal: Principal) -> ASGIApp:
        return Response(engine.metrics.render(), media_type=CONTENT_TYPE)

    return [
        Operation(
            "GET",
            "/health",
            "Liveness for anyone; with a key the readiness of each engine, as the status with `?ready`.",
            answers={200: Health, 503: Health},
            for_anyone=health,
            failures=(401,),
            query={"ready": "Answer 503 until every engine is loaded (needs a key)."},
        ),
        Operation(
            "GET",
            "/voice/status",
            "Which engine and model does each job, and what is missing.",
            answers={200: VoiceStatus},
            for_principal=voice_status,
            needs="status.read",
        ),
        Operation(
            "GET",
            "/metrics",
            "Counters and histograms in Prometheus text format.",
            answers={200: "text/plain"},
            for_principal=metrics,
            needs="metrics.read",
        ),
    ]
