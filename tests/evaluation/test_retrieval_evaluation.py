"""The whole measurement on a set so small that its figures are known."""

from __future__ import annotations

import pytest

from aura_local.evaluation.report import retrieval_report
from aura_local.evaluation.retrieval_evaluation import Declined, evaluate_retrieval, halves
from tests.evaluation.conftest import Scene


@pytest.mark.anyio
async def test_a_small_museum(scene: Scene) -> None:
    outcome = await evaluate_retrieval(scene.evaluation, scene.subject, baselines=True, per_type=None, seed=1)
    report = retrieval_report(scene.evaluation, outcome)
    ours = report["ours"]
    assert list(ours) == ["plain", "whole", "all"]
    assert (ours["plain"]["recall_at_1"], ours["plain"]["mrr"], ours["plain"]["n"]) == (1.0, 1.0, 2)
    # The fourth question's own document is found behind the one that really answers it.
    assert (ours["whole"]["recall_at_1"], ours["whole"]["n"]) == (0.5, 2)
    assert ours["all"]["recall_at_1"] == 0.75
    assert set(report["baselines"]) == {"vectors_1000", "bm25_1000"}
    assert all(set(one["all"]) == set(ours["all"]) for one in report["baselines"].values())
    assert report["baselines"]["bm25_1000"]["plain"]["recall_at_1"] == 1.0
    assert report["baselines"]["bm25_1000"]["whole"]["mrr"] == 0.5
    declined = report["declined"]
    assert declined["no_answer"] == {"share": 1.0, "n": 1}
    assert declined["answerable"] == {"share": 0.0, "n": 4}
    assert declined["cross_document"]["n"] == 4
    assert declined["unanswerable"]["n"] == 5
    assert len(outcome.milliseconds) == 5
    assert 0 < report["milliseconds"]["p50"] <= report["milliseconds"]["p95"]
    assert outcome.passages == 4


@pytest.mark.anyio
async def test_the_other_half_is_not_there_when_it_is_asked_about(scene: Scene) -> None:
    """Questions that repeat the words of their document are declined only where that document is missing."""
    outcome = await evaluate_retrieval(scene.evaluation, scene.subject, baselines=False, per_type=1, seed=1)
    # All but the one whose words stand in a document of the other half.
    assert outcome.cross_document.declined >= 3
    first, _ = halves(scene.evaluation.documents, 1)
    left = {record.name for record in await scene.subject.ingestion.list(scene.subject.handle)}
    assert left == {name.removeprefix("docs/") for name in scene.evaluation.documents if name not in first}
    assert set(scene.subject.documents.values()) == {f"docs/{name}" for name in left}
    assert (len(outcome.rankings), outcome.baselines) == (2, {})


@pytest.mark.anyio
async def test_a_document_that_fails_is_told_and_its_questions_find_nothing(scene: Scene) -> None:
    (scene.evaluation.folder / "docs" / "hours.md").write_text("x" * 1001)
    (scene.evaluation.folder / "docs" / "dogs.md").write_bytes(b"MZ\x00\x00 a program")
    outcome = await evaluate_retrieval(
        scene.evaluation, scene.subject, baselines=False, per_type=None, seed=1
    )
    assert set(scene.subject.failed) == {"docs/hours.md", "docs/dogs.md"}
    figures = retrieval_report(scene.evaluation, outcome)["ours"]
    assert figures["plain"]["recall_800"] == 0.0
    assert figures["whole"]["recall_800"] == 1.0


@pytest.mark.anyio
async def test_two_documents_of_the_same_bytes_are_told(scene: Scene) -> None:
    (scene.evaluation.folder / "docs" / "dogs.md").write_text("The museum opens at nine.")
    await scene.subject.add(scene.evaluation.folder, ["docs/dogs.md", "docs/hours.md"])
    assert scene.subject.failed == {"docs/hours.md": "It has the same bytes as docs/dogs.md."}
    await scene.subject.remove(["docs/hours.md"])
    assert list(scene.subject.documents.values()) == ["docs/dogs.md"]


@pytest.mark.anyio
async def test_progress_reaches_its_end_in_documents(scene: Scene) -> None:
    await evaluate_retrieval(scene.evaluation, scene.subject, baselines=False, per_type=None, seed=1)
    documents = [(done, total) for stage, done, total in scene.stages if stage == "documents"]
    assert documents == [(0, 2), (1, 2), (2, 2)] * 2
    assert ("ranking", 3, 4) in scene.stages


def test_halves_are_the_same_each_time_and_hold_everything() -> None:
    documents = tuple(f"docs/{number}.md" for number in range(9))
    first, second = halves(documents, 1)
    assert (first, second) == halves(tuple(reversed(documents)), 1)
    assert (first, second) != halves(documents, 2)
    assert (len(first), len(second), sorted(first + second)) == (4, 5, list(documents))
    assert halves(documents[:1], 1) == ([], ["docs/0.md"])


def test_shares_of_what_was_declined() -> None:
    assert (Declined(1, 2) + Declined(2, 2)).share == 0.75
    assert Declined(0, 0).share == 0.0
