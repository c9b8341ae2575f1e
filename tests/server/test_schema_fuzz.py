"""Requests made up from `/openapi.json`: whatever comes, the server answers as it says there.

From a seed that is printed: no status above 499 but 503 and 507, no status, media type or body that the
description does not have.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.server.people import open_platform

PER_OPERATION = 3
"""Good requests, and as many that are wrong somewhere."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXPECTED_FAILURES = {503, 507}
QUIET = settings(
    max_examples=PER_OPERATION,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)


class Served:
    """A platform on an event loop of its own: the requests come from the test's thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened = threading.Event()
        self._thread = threading.Thread(target=lambda: anyio.run(self._live))
        self.port = 0
        self.credentials: dict[str, str] = {}
        self.schema: OpenApiSchema
        self._end: Callable[[], None] = self._opened.set

    def __enter__(self) -> Served:
        self._thread.start()
        assert self._opened.wait(20), "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._thread.join(20)

    async def _live(self) -> None:
        over = anyio.Event()
        loop = anyio.lowlevel.current_token()
        self._end = lambda: anyio.from_thread.run_sync(over.set, token=loop)
        async with open_platform(self._folder) as platform, platform.client() as client:
            tenant = await platform.tenant("Fuzzed")
            admin = await platform.person(tenant, "admin", "ada@fuzzed.example")
            owner = await platform.person(None, "owner", "olga@platform.example")
            self.credentials = {"admin": await platform.token(admin), "owner": await platform.token(owner)}
            described = (await client.get("/openapi.json")).json()
            self.schema = schemathesis.openapi.from_dict(described)
            self.port = platform.port
            self._opened.set()
            await over.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("fuzz")) as served:
        yield served


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_every_answer_is_as_described(served: Served, role: str) -> None:
    chosen = secrets.randbelow(1 << 32)
    print(f"seed {chosen}")  # noqa: T201 - shown with a failure
    headers = {"authorization": f"Bearer {served.credentials[role]}"}
    problems: set[str] = set()
    tried = 0
    for found in served.schema.get_all_operations():
        assert isinstance(found, Ok), "an operation is described wrongly"
        operation: Any = found.ok()

        def ask(case: schemathesis.Case[Any]) -> None:
            nonlocal tried
            tried += 1
            answer = case.call(base_url=f"http://127.0.0.1:{served.port}", headers=headers)
            if answer.status_code in EXPECTED_FAILURES:
                return
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as failures:
                problems.update(_told(case, failure) for failure in failures.exceptions)

        for mode in schemathesis.GenerationMode:
            # Of a request without any input there is no wrong form.
            with suppress(Unsatisfiable):
                seed(chosen)(QUIET(given(case=operation.as_strategy(generation_mode=mode))(ask)))()
    print(f"{tried} requests")  # noqa: T201 - shown with a failure
    assert not problems, "\n".join(sorted(problems))


def _told(case: schemathesis.Case[Any], failure: BaseException) -> str:
    operation: Any = case.operation
    return f"{operation.label}: {type(failure).__name__} {' '.join(str(failure).split())[:300]}"
