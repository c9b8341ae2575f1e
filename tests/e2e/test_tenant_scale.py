"""What many tenants cost. `scripts/torture scale` makes a thousand of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.benchmark.tenant_scale import ScaleBounds, run_scale

TENANTS = 12
ACTIVE = 6
SEED = 20_261_123
BOUNDS = ScaleBounds(descriptors=200, threads=120, resident_mb=900.0)
"""Measured with 6 at work on two cores: 133 descriptors, 52 threads, 568 MB."""

pytestmark = [pytest.mark.anyio, pytest.mark.engines, pytest.mark.llama, pytest.mark.starter]


async def test_tenants_at_work_stay_within_bounds_and_answer_from_their_own(tmp_path: Path) -> None:
    report = await run_scale(tmp_path, tenants=TENANTS, active=ACTIVE, seed=SEED, bounds=BOUNDS)
    assert report.wrong == []
    assert report.cold_p95_ms > 0
    assert report.descriptors > report.idle_descriptors
