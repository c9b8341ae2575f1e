"""The server as one application: routes, middleware and lifespan. Layer 5; begin reading here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount
from starlette.types import ASGIApp

from aura_local.data_files import data_folder
from aura_local.egress import denied_count
from aura_server.chat_routes import chat_operations
from aura_server.document_routes import FORM_BYTES, UPLOAD_PATH, document_operations
from aura_server.limits import BodyMiddleware, HeadMiddleware, SecurityHeadersMiddleware
from aura_server.openapi import openapi_document
from aura_server.operations import Operation, routes_of
from aura_server.problems import ProblemMiddleware, routing_problem
from aura_server.request_log import RequestLogMiddleware
from aura_server.static_files import Pages
from aura_server.status_routes import status_operations

if TYPE_CHECKING:
    from aura_local.engine import Engine

ANY_ADDRESS: Final = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not used


def create_app(engine: Engine, *, pages: Path | None = None) -> Starlette:
    """The application over an open engine, which the caller closes after serving.

    `pages` is the folder of the interface, by default the one that ships.
    """
    from aura_server.voice_socket import open_registry, voice_routes

    registry = open_registry(engine)
    engine.metrics.watch_egress(denied_count)
    engine.metrics.watch_tasks(lambda: len(asyncio.all_tasks()))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with registry:
            yield

    return Starlette(
        routes=[
            *routes_of(all_operations(engine), engine),
            *voice_routes(engine, registry),
            Mount("/", Pages(data_folder("ui") if pages is None else pages)),
        ],
        middleware=_middleware(engine),
        exception_handlers={HTTPException: routing_problem},
        lifespan=lifespan,
    )


def all_operations(engine: Engine) -> list[Operation]:
    """Every HTTP operation, the description of them all included."""
    operations = [*status_operations(engine), *chat_operations(engine), *document_operations(engine)]
    return [*operations, _description(operations)]


def _description(others: Sequence[Operation]) -> Operation:
    async def openapi(_request: Request) -> ASGIApp:
        return JSONResponse(openapi_document([*others, itself]))

    itself = Operation(
        "GET", "/openapi.json", "This description.", {200: "application/json"}, for_anyone=openapi
    )
    return itself


def _middleware(engine: Engine) -> list[Middleware]:
    """Outermost first."""
    settings = engine.settings
    hosts = settings.server.allowed_hosts
    own = settings.server.host.lower()
    if own not in ANY_ADDRESS:
        hosts = (*hosts, f"[{own}]" if ":" in own else own)
    uploads = {UPLOAD_PATH: settings.limits.upload_bytes + FORM_BYTES}
    return [
        Middleware(RequestLogMiddleware, metrics=engine.metrics),
        Middleware(SecurityHeadersMiddleware),
        Middleware(ProblemMiddleware),
        Middleware(HeadMiddleware, allowed_hosts=hosts),
        Middleware(BodyMiddleware, limit_bytes=settings.limits.json_body_bytes, limits_by_path=uploads),
    ]
