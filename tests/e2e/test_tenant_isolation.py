"""Tenants in one server never get each other's words, and move and end as they should.

`scripts/torture canaries` and `scripts/torture round-trip` run the same at full size.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from aura_local.benchmark.archive_round_trip import run_round_trip
from aura_local.benchmark.canaries import run_canaries
from aura_local.benchmark.canary_watch import CanaryWatch, new_canary

PAIRS = 8
SEED = 20_261_123


@pytest.mark.anyio
@pytest.mark.engines
@pytest.mark.llama
@pytest.mark.starter
async def test_eight_tenants_get_the_same_answers_alone_and_interleaved_and_no_foreign_word(
    tmp_path: Path,
) -> None:
    report = await run_canaries(tmp_path, pairs=PAIRS, seed=SEED)
    assert report.wrong == []
    assert report.pairs == PAIRS
    assert report.spoken > 0
    assert report.answered > PAIRS / 2
    assert report.looked_at_bytes > 1_000_000


@pytest.mark.anyio
@pytest.mark.engines
@pytest.mark.llama
@pytest.mark.starter
async def test_a_tenant_moves_with_its_answers_and_an_erased_one_leaves_nothing(tmp_path: Path) -> None:
    report = await run_round_trip(tmp_path, tenants=1)
    assert report.wrong == []
    assert report.same == report.questions > 0
    assert report.searched_bytes > 1_000_000


def disguised(canary: str) -> list[bytes]:
    return [
        canary.encode(),
        canary.upper().encode(),
        f"%20{canary}%0A".encode(),
        canary.encode("utf-16-le"),
        *(base64.b64encode(b"x" * shift + canary.encode() + b" and more") for shift in range(3)),
    ]


@pytest.mark.parametrize("form", range(7))
def test_a_foreign_word_is_found_in_every_form(form: int) -> None:
    mine, theirs = new_canary(), new_canary()
    watch = CanaryWatch({"me": mine, "them": theirs})
    watch.look("me", "an answer", b"before " + disguised(mine)[form] + b" after")
    assert (watch.found, watch.own) == ([], {"me"})
    watch.look("me", "an answer", b"before " + disguised(theirs)[form] + b" after")
    assert watch.found == ["the word of them is in an answer, sent to me"]
    assert theirs not in repr(watch.found)


def test_names_and_contents_of_files_belong_to_nobody(tmp_path: Path) -> None:
    canary = new_canary()
    watch = CanaryWatch({"me": canary})
    (tmp_path / "plain").write_text(f"the word is {canary}")
    watch.look_at_names(tmp_path)
    assert watch.found == []
    watch.look_at_files(tmp_path)
    (tmp_path / f"{canary}.md").touch()
    watch.look_at_names(tmp_path)
    assert watch.found == [
        "the word of me is in the file plain, sent to all",
        "the word of me is in the name of a file, sent to all",
    ]
