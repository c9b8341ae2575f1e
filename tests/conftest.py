"""Fixtures shared by all tests."""

from __future__ import annotations

import pytest

from aura_local.egress import silence_libraries

pytest_plugins = ["tests.support.memory_disk", "tests.support.requirements", "tests.support.unit_tests"]


@pytest.fixture
def anyio_backend() -> str:
    """The product runs on asyncio (uvicorn); so do its tests."""
    return "asyncio"


def pytest_configure() -> None:
    """Tests import engines without the product's beginning, which keeps libraries from reporting home."""
    silence_libraries()
