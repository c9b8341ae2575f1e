"""Counts and logs every request by the template of its route, never by its path or query. Layer 5."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aura_local.metrics import Metrics
from aura_server.operations import ROUTE_KEY

log = logging.getLogger(__name__)

_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class RequestLogMiddleware:
    """Outermost, so that it sees refusals by other middleware too."""

    app: ASGIApp
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began_s = time.perf_counter()
        status = 0

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, observed_send)
        finally:
            seconds = time.perf_counter() - began_s
            # Anything a client invents must not become a label.
            route = scope.get(ROUTE_KEY, "other")
            method = scope["method"] if scope["method"] in _KNOWN_METHODS else "other"
            self.metrics.request_finished(method, route, status, seconds)
            fields = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
            log.debug("request", extra=fields)
