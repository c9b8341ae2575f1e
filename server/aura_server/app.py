"""The server as one application: routes, middleware and lifespan. Layer 5; begin reading here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
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
from aura_server.account_routes import account_operations
from aura_server.archive_routes import IMPORT_PATH, archive_operations
from aura_server.audit_routes import audit_operations
from aura_server.chat_routes import chat_operations
from aura_server.cross_origin import CrossOriginMiddleware
from aura_server.document_progress_routes import document_progress_operations
from aura_server.document_routes import document_operations
from aura_server.document_text_routes import document_text_operations
from aura_server.document_upload_routes import (
    CONTENT_PATH,
    FORM_BYTES,
    UPLOAD_PATH,
    document_upload_operations,
)
from aura_server.key_routes import key_operations
from aura_server.limits import BodyMiddleware, HeadMiddleware, SecurityHeadersMiddleware
from aura_server.model_routes import model_operations
from aura_server.oidc_routes import oidc_operations
from aura_server.openapi import openapi_document
from aura_server.operations import Operation, routes_of
from aura_server.people_routes import people_operations
from aura_server.problems import ProblemMiddleware, routing_problem
from aura_server.request_log import RequestLogMiddleware
from aura_server.request_pace import RequestPaceMiddleware
from aura_server.search_routes import search_operations
from aura_server.secret_routes import secret_operations
from aura_server.static_files import Pages
from aura_server.status_routes import status_operations
from aura_server.tenant_routes import tenant_operations
from aura_server.usage_routes import usage_operations
from aura_server.widget_routes import widget_operations

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_server.tls import ServerIdentity

ANY_ADDRESS: Final = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not used


def create_app(
    engine: Engine, *, pages: Path | None = None, identity: ServerIdentity | None = None
) -> Starlette:
    """The application over an open engine, which the caller closes after serving.

    `pages` is the folder of the interface, by default the one that ships; `identity` is set where the server
    speaks TLS.
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
        middleware=_middleware(engine, identity),
        exception_handlers={HTTPException: routing_problem},
        lifespan=lifespan,
    )


def all_operations(engine: Engine) -> list[Operation]:
    """Every HTTP operation, the description of them all included."""
    operations = [
        operation
        for table in (
            status_operations,
            account_operations,
            oidc_operations,
            chat_operations,
            document_upload_operations,
            document_progress_operations,  # before `/api/documents/{document_id}`, which matches it too
            document_operations,
            document_text_operations,
            search_operations,
            people_operations,
            key_operations,
            widget_operations,
            secret_operations,
            model_operations,
            tenant_operations,
            archive_operations,
            usage_operations,
            audit_operations,
        )
        for operation in table(engine)
    ]
    return [*operations, _description(operations)]


def _description(others: Sequence[Operation]) -> Operation:
    @cache
    def description() -> JSONResponse:
        return JSONResponse(openapi_document([*others, itself]))

    async def openapi(_request: Request) -> ASGIApp:
        return description()

    itself = Operation(
        "GET", "/openapi.json", "This description.", {200: "application/json"}, for_anyone=openapi
    )
    return itself


def _middleware(engine: Engine, identity: ServerIdentity | None) -> list[Middleware]:
    """Outermost first."""
    server, limits = engine.settings.server, engine.settings.limits
    hosts = server.allowed_hosts
    own = server.host.lower()
    if own not in ANY_ADDRESS:
        hosts = (*hosts, f"[{own}]" if ":" in own else own)
    if identity is not None:
        # Names that somebody certified as ours; a page of a stranger cannot be among them.
        hosts = (*hosts, *identity.names)
    uploads = {
        UPLOAD_PATH: limits.upload_bytes + FORM_BYTES,
        CONTENT_PATH: limits.upload_bytes + FORM_BYTES,
        IMPORT_PATH: limits.archive_bytes + FORM_BYTES,
    }
    return [
        Middleware(RequestLogMiddleware, metrics=engine.metrics),
        Middleware(
            SecurityHeadersMiddleware, strict_transport=identity is not None and not identity.self_signed
        ),
        Middleware(CrossOriginMiddleware, allowed_origins=server.allowed_origins),
        Middleware(ProblemMiddleware),
        Middleware(HeadMiddleware, allowed_hosts=hosts, limit_bytes=limits.header_bytes),
        Middleware(
            RequestPaceMiddleware,
            anonymous_per_minute=limits.anonymous_requests_per_minute,
            failures_per_minute=limits.failed_logins_per_minute,
        ),
        Middleware(
            BodyMiddleware,
            limit_bytes=limits.json_body_bytes,
            limits_by_path=uploads,
            grace_s=limits.body_grace_s,
            bytes_per_s=limits.body_bytes_per_s,
        ),
    ]
