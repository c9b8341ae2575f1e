"""The table of HTTP operations: each is a route, its access and its description in one value. Layer 5.

Routes are made from this table and from nowhere else, so none can exist that `openapi.py` does not
describe; and a handler gets its principal and tenant from here, so none can forget to authenticate and none
to authorise: an operation is for anyone, or it names the permission it needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from aura_local.accounts.permissions import Permission
from aura_server.authentication import Visit, principal_of, visit_of

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
AnonymousHandler: TypeAlias = Callable[[Request], Awaitable[ASGIApp]]
PrincipalHandler: TypeAlias = "Callable[[Request, Principal], Awaitable[ASGIApp]]"
TenantHandler: TypeAlias = Callable[[Request, Visit], Awaitable[ASGIApp]]

ROUTE_KEY: Final = "aura.route"
"""Where the template of the matched route is left in the scope, for metrics and the log."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. Exactly one of the three handlers is set; `needs` goes with the last two."""

    method: Method
    path: str
    """Template, e.g. `/api/documents/{document_id}`."""
    summary: str
    answers: Mapping[int, type[BaseModel] | str | None]
    """Body of each successful status: a model, the media type of something else, or nothing."""
    for_anyone: AnonymousHandler | None = None
    for_principal: PrincipalHandler | None = None
    """For what lies in no tenant's file: accounts, keys, the platform."""
    for_tenant: TenantHandler | None = None
    needs: Permission | None = None
    failures: Sequence[int] = ()
    """Statuses of `problems.py` besides 401 and 503 that a client should expect."""
    body: type[BaseModel] | Literal["multipart/form-data"] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    """Parameters and what they do."""

    def __post_init__(self) -> None:
        handlers = (self.for_anyone, self.for_principal, self.for_tenant)
        if sum(handler is not None for handler in handlers) != 1:
            raise ValueError(f"{self.method} {self.path} needs exactly one handler")
        if (self.for_anyone is None) != (self.needs is not None):
            raise ValueError(f"{self.method} {self.path} is for anyone or needs a permission")


def routes_of(operations: Sequence[Operation], engine: Engine) -> list[Route]:
    """One route per path; it answers 405 with the right `Allow` for methods that are not in the table."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    return [
        Route(path, _Endpoint(path, methods, engine), methods=list(methods))
        for path, methods in by_path.items()
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Endpoint:
    """Answers the requests for one path."""

    path: str
    operations: Mapping[str, Operation]
    engine: Engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE_KEY] = self.path
        operation = self.operations.get("GET" if scope["method"] == "HEAD" else scope["method"])
        if operation is None:
            raise HTTPException(405, headers={"allow": ", ".join(self.operations)})
        request = Request(scope, receive)
        if operation.for_anyone is not None:
            answer = await operation.for_anyone(request)
            await answer(scope, receive, send)
            return
        assert operation.needs is not None
        if operation.for_principal is not None:
            principal = await principal_of(self.engine, request.headers, operation.needs)
            answer = await operation.for_principal(request, principal)
            await answer(scope, receive, send)
            return
        assert operation.for_tenant is not None
        # The lease lasts until the answer has been sent: answers may be streams.
        async with visit_of(self.engine, request.headers, operation.needs) as visit:
            answer = await operation.for_tenant(request, visit)
            await answer(scope, receive, send)


def json_answer(value: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A model as JSON."""
    return Response(value.model_dump_json(), status, headers, media_type="application/json")
