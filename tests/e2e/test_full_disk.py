"""On a full disk every write is refused and none is lost. `scripts/torture full-disk` runs the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.benchmark.full_disk import WORKS_AGAIN_WITHIN_S, run_full_disk
from aura_local.benchmark.small_disk import Filler, run_on_small_disk
from aura_local.errors import ConfigurationError

pytestmark = [pytest.mark.anyio, pytest.mark.namespace]

WRITE_PATHS = {
    "upload",
    "chat turn and ledger",
    "invitation",
    "user",
    "login",
    "key",
    "audit log",
    "export",
    "backup",
}


@pytest.mark.engines
@pytest.mark.llama
@pytest.mark.starter
async def test_a_full_disk_refuses_every_write_and_loses_none(tmp_path: Path) -> None:
    report = await run_full_disk(tmp_path)
    assert report.wrong == []
    assert report.refused_with.keys() == WRITE_PATHS
    assert report.filled_bytes > 1_000_000
    assert report.works_again_s <= WORKS_AGAIN_WITHIN_S


async def test_the_small_disk_is_small_and_nobody_elses(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from aura_local.benchmark.small_disk import Filler; "
        "print(Filler(Path(sys.argv[1])).fill())"
    )
    filled = int(run_on_small_disk(tmp_path / "disk", 1, program, str(tmp_path / "disk")))
    assert 900_000 < filled <= 1024 * 1024
    assert list((tmp_path / "disk").iterdir()) == []
    Filler(tmp_path).remove()


async def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such luck"):
        run_on_small_disk(tmp_path / "disk", 1, "raise SystemExit('no such luck')")
