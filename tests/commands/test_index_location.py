"""Commands where the indexes are kept in memory."""

from __future__ import annotations

import pytest

from tests.commands.invoking import Aura


def test_there_is_nothing_to_reindex(aura: Aura, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURA_RETRIEVAL__INDEX_LOCATION", "memory")
    error = aura.json("reindex", "--all", code=2)["error"]
    assert error["code"] == "invalid_request"
    assert "in memory" in error["message"]
    assert not aura.home.exists()
