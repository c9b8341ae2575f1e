"""Which tests are unit tests."""

from __future__ import annotations

import pytest

from tests.support.unit_tests import LEFT_OUT, TESTS, is_unit


@pytest.mark.parametrize(
    ("below", "markers", "unit"),
    [
        ("storage/test_database.py", {"anyio"}, True),
        ("storage/test_durability.py", {"anyio"}, False),
        ("server/test_pace.py", set(), False),
        ("retrieval/test_retriever.py", {"engines"}, False),
        ("test_import.py", set(), False),
        ("test_import_more.py", set(), True),
    ],
)
def test_by_place_and_by_marker(below: str, markers: set[str], unit: bool) -> None:
    assert is_unit(TESTS / below, markers) is unit


def test_every_place_that_is_left_out_exists() -> None:
    assert [below for below in LEFT_OUT if not (TESTS / below).exists()] == []
