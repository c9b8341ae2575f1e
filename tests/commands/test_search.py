"""`aura search`: the same fields as the server's, and the reasons in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from aura_server.search_routes import SearchAnswer, SearchCandidate

from tests.commands.invoking import Aura

DEMO = ("--profile", "demo")


@pytest.mark.engines
def test_what_would_be_retrieved_and_why(aura: Aura, tmp_path: Path) -> None:
    aura("tenant", "create", "Old Mill")
    (tmp_path / "hours.md").write_text("# Opening hours\n\nThe mill opens at nine in the morning.\n")
    (tmp_path / "dogs.md").write_text("# Rules\n\nDogs have to wait outside.\n")
    aura("ingest", str(tmp_path / "hours.md"), str(tmp_path / "dogs.md"), *DEMO)

    found = aura.json("search", "When does the mill open?", *DEMO)
    assert set(found) == set(SearchAnswer.model_fields)
    assert all(set(one) == set(SearchCandidate.model_fields) for one in found["candidates"])
    first = found["candidates"][0]
    assert (first["rank"], first["document"], first["heading"]) == (1, "hours.md", "Opening hours")
    assert "nine in the morning" in first["text"]
    assert (first["vector_rank"], first["word_rank"]) == (1, 1)
    assert found["answerable"] is (found["relevance"] >= found["threshold"]) is True

    told = aura("search", "When does the mill open?", "--limit", "1", *DEMO).stdout
    assert "the documents answer" in told
    assert "1. hours.md, Opening hours\n" in told
    assert "2. " not in told
    assert "by meaning rank 1" in told
    assert "by words rank 1, BM25" in told
    assert "the documents do not answer" in aura("search", "Who won the football match?", *DEMO).stdout


def test_what_is_no_question_is_wrong_usage(aura: Aura) -> None:
    aura("tenant", "create", "Old Mill")
    assert "A question has 1 to" in aura("search", " ", code=2).stderr
    error = aura.json("search", "x" * 100_000, code=2)["error"]
    assert error["code"] == "invalid_request"
    aura("search", "When?", "--limit", "0", code=2)
