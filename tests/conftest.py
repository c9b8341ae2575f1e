"""Fixtures shared by all tests."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.support.requirements"]


@pytest.fixture
def anyio_backend() -> str:
    """The product runs on asyncio (uvicorn); so do its tests."""
    return "asyncio"
