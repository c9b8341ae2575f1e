"""One museum for all: its documents are read once, and every server or engine gets a copy of its data."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aura_local.benchmark.labelled_speech import UtteranceMaker, open_speaker
from tests.e2e.product_server import Product, serve


@pytest.fixture(scope="session")
def museum_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and master key of a server that has read the museum's documents, and has stopped."""
    folder = tmp_path_factory.mktemp("museum")
    with serve(folder) as product:
        product.assert_well()
    return folder


@pytest.fixture
def copied_museum(museum_folder: Path, tmp_path: Path) -> Path:
    """A museum of the test's own."""
    return Path(shutil.copytree(museum_folder, tmp_path / "museum"))


@pytest.fixture(scope="session")
def product(museum_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The server that most tests share; whatever they send it, it lives on."""
    folder = Path(shutil.copytree(museum_folder, tmp_path_factory.mktemp("product") / "museum"))
    settings = {"limits.resume_s": 0.5, "limits.start_deadline_s": 2}
    with serve(folder, settings) as running:
        yield running
        running.assert_well()


@pytest.fixture
async def maker() -> AsyncIterator[UtteranceMaker]:
    """Speaks test sentences with the voices of espeak-ng."""
    async with open_speaker() as speaker:
        yield UtteranceMaker(speaker)
