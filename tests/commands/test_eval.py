"""`aura eval`: a set in, tables and a report out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.invoking import Aura
from tests.evaluation.sets import line, write_set

DOCUMENTS = {"hours.md": "The museum opens at nine.", "dogs.md": "Guide dogs may come in with their owner."}
LINES = [
    line(1, answer="nine"),
    line(
        2, question="May guide dogs come in?", doc="docs/dogs.md", gold=[{"text": "Guide dogs may come in"}]
    ),
    line(3, type="none", question="Who won the football match?", doc=None, gold=[]),
]


def test_what_a_set_lacks_is_said_before_anything_is_loaded(aura: Aura, tmp_path: Path) -> None:
    aura("eval", "retrieval", "--set", str(tmp_path / "nowhere"), code=2)
    for measured in ("retrieval", "answers"):
        refused = aura("eval", measured, "--set", str(tmp_path), code=2)
        assert "The folder has no questions.jsonl." in refused.stderr
    folder = write_set(tmp_path / "set", LINES, {"hours.md": "Open."})
    assert "lacks the document docs/dogs.md" in aura("eval", "retrieval", "--set", str(folder), code=2).stderr


@pytest.mark.engines
def test_retrieval(aura: Aura, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", LINES, DOCUMENTS)
    report = tmp_path / "report.json"
    told = aura(
        "eval", "retrieval", "--set", str(folder), "--baselines", "--json", str(report), "--profile", "demo"
    ).stdout
    written = json.loads(report.read_text())
    assert list(written) == ["ours", "baselines", "declined", "milliseconds", "missed", "conditions"]
    assert written["ours"]["all"]["recall_at_1"] == 1.0
    assert written["declined"]["no_answer"] == {"share": 1.0, "n": 1}
    conditions = written["conditions"]
    assert (conditions["documents"], conditions["passages"], conditions["failed_documents"]) == (2, 2, {})
    for title in ("Retrieval", "vectors only", "BM25 only", "Declined", "(95 %)"):
        assert title in told
    # The data folder was one of its own.
    assert not aura.home.exists()


@pytest.mark.engines
@pytest.mark.llama
def test_answers(aura: Aura, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", LINES, DOCUMENTS | {"program.md": "MZ\x00\x00"})
    report = tmp_path / "report.json"
    told = aura("eval", "answers", "--set", str(folder), "--questions", "1", "--json", str(report))
    written = json.loads(report.read_text())
    assert list(written) == ["ours", "declined", "milliseconds", "conditions"]
    assert (written["ours"]["all"]["n"], written["declined"]["no_answer"]["n"]) == (1, 1)
    assert "Not measured:" in told.stdout
    assert "failed: docs/program.md: " in told.stderr
