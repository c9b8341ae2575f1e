"""Fixtures for the commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.commands.invoking import Aura


@pytest.fixture
def aura(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aura:
    for variable in [name for name in os.environ if name.startswith("AURA_")]:
        monkeypatch.delenv(variable)
    return Aura(tmp_path)
