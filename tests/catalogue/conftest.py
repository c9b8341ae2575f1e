"""A hub on this machine, and a data folder beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalogue.pull_world import FILES, World
from tests.support.model_hub import ModelHub, serving_models


@pytest.fixture
def hub() -> Iterator[ModelHub]:
    with serving_models(FILES) as served:
        yield served


@pytest.fixture
def world(tmp_path: Path, hub: ModelHub) -> World:
    return World(tmp_path, hub)
