"""The benchmark of retrieval at a small size, on scripted engines: what it counts, not how fast it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.benchmark.retrieval_benchmark import RetrievalSizes, run_retrieval_benchmark
from aura_local.benchmark.varied_text import VariedText, sentences_below
from aura_local.data_files import data_folder
from tests.support.engine import open_scripted_engine

SIZES = RetrievalSizes(passages=60, sentences=90, small_files=11, questions=5)


def museum_text() -> VariedText:
    return VariedText(sentences_below(data_folder("knowledge")), seed=7)


@pytest.mark.anyio
async def test_it_fills_a_tenant_and_searches_it_for_both_askers(tmp_path: Path) -> None:
    said: list[str] = []
    async with open_scripted_engine(tmp_path) as engine:
        tenant = await engine.catalog.create_tenant("Benchmark")
        async with engine.leases.lease(tenant.id) as handle:
            embedder = engine._room.engine("embedder")
            report = await run_retrieval_benchmark(
                engine, handle, embedder, museum_text(), SIZES, say=said.append
            )
            records = await engine.ingestion.list(handle)
    large, small = report["ingestion"], report["ingestion_of_small_files"]
    assert report["passages"] >= SIZES.passages
    assert report["passages"] == large["passages"] + small["passages"]
    assert small["documents"] == 11
    assert small["passages"] >= 11
    assert len(records) == 11 + large["documents"]
    assert large["failed"] == small["failed"] == 0
    assert report["everything"]["share_of_passages"] == 1.0
    assert 0.0 < report["public_only"]["share_of_passages"] < 0.5
    assert report["everything"]["recall_at_10"] >= 0.97
    assert report["public_only"]["recall_at_10"] >= 0.97
    assert {"cores", "load_average", "models"} <= report["conditions"].keys()
    assert any("passages after" in line for line in said)


def test_text_is_the_same_each_time_and_hardly_a_sentence_comes_twice() -> None:
    one, again = museum_text(), museum_text()
    assert [one.document(number, 40) for number in range(3)] == [
        again.document(number, 40) for number in range(3)
    ]
    assert one.question(4) == again.question(4)
    paragraphs = [
        paragraph
        for number in range(5)
        for paragraph in one.document(number, 400).decode().split("\n\n")
        if not paragraph.startswith("#")
    ]
    assert len(set(paragraphs)) == len(paragraphs) == 500
    assert one.document(1, 40) != VariedText(sentences_below(data_folder("knowledge")), 8).document(1, 40)


def test_text_without_words_cannot_be_varied(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="words"):
        VariedText(sentences_below(tmp_path), seed=7)


def test_headings_tables_and_lists_are_no_sentences(tmp_path: Path) -> None:
    sound = "The harbour office opens at nine in the morning."
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "page.md").write_text(f"# The harbour office of the town\n\n{sound}\n\n| a | b |\n")
    (tmp_path / "other.pdf").write_text(sound.upper())
    assert sentences_below(tmp_path) == [sound]
