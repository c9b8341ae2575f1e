"""Requests made up from a running server's /openapi.json: no answer is a server error."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio.to_thread

from aura_local.benchmark.restarting_server import RestartingServer
from aura_local.benchmark.torture_tenants import TenantAccess, make_tenants

EXAMPLES = {"pull-request": 20, "nightly": 500, "release": 2_000}
"""For every operation, of well-formed requests and of malformed ones each."""
EXPECTED = (503, 507)
"""Busy, and full: not mistakes of the server."""
GENTLE = {
    "AURA_LIMITS__ANONYMOUS_REQUESTS_PER_MINUTE": "1000000",
    "AURA_LIMITS__FAILED_LOGINS_PER_MINUTE": "1000000",
}
"""All requests come from one address: its budget is not what is looked at."""


async def schema(size: str, seed: int) -> tuple[dict[str, Any], list[str]]:
    print(f"{EXAMPLES[size]} requests of either kind to every operation; seed {seed}.", flush=True)
    with TemporaryDirectory(prefix="aura-torture-") as folder:
        (tenant,) = await make_tenants(Path(folder), ["described"])
        server = RestartingServer(Path(folder), settings=GENTLE)
        try:
            await server.start()
            statuses, wrong = await anyio.to_thread.run_sync(_ask, server.url, tenant, EXAMPLES[size], seed)
            if not server.alive:
                wrong.append("the server has ended")
        finally:
            await server.stop()
    figures = {"seed": seed, "requests": statuses.total(), "statuses": dict(sorted(statuses.items()))}
    return figures, wrong


def _ask(url: str, tenant: TenantAccess, examples: int, seed: int) -> tuple[Counter[int], list[str]]:
    import hypothesis
    import schemathesis

    quiet = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    headers = {"authorization": f"Bearer {tenant.key}"}
    statuses: Counter[int] = Counter()
    wrong: set[str] = set()
    operations: Any = schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations()
    for operation in (result.ok() for result in operations):

        def ask(case: schemathesis.Case[Any]) -> None:
            answer = case.call(base_url=url, headers=headers)
            statuses[answer.status_code] += 1
            if answer.status_code >= 500 and answer.status_code not in EXPECTED:
                wrong.add(f"{case.operation.label} answers {answer.status_code}")

        for mode in schemathesis.GenerationMode:
            asking = hypothesis.given(case=operation.as_strategy(generation_mode=mode))(ask)
            # A request without parameters cannot be malformed.
            with suppress(hypothesis.errors.Unsatisfiable):
                hypothesis.seed(seed)(quiet(asking))()
    return statuses, sorted(wrong)
