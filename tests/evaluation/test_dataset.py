"""Sets that are whole are read as they are written; what is wrong with others is named with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aura_local.errors import InvalidRequest
from aura_local.evaluation.dataset import Gold, read_set
from tests.evaluation.sets import line, write_set

HOURS = {"hours.md": "The museum opens at nine."}


def test_every_kind_of_line(tmp_path: Path) -> None:
    lines = [
        line(1, answer=" nine "),
        line(2, type="paged", gold=[{"page": 7}, {"page": 9}], source="people"),
        line(3, gold=[{"document_only": True}]),
        line(4, type="none", doc=None, gold=[]),
    ]
    folder = write_set(tmp_path / "set", lines, HOURS | {"unasked.txt": "Dogs wait outside."})
    read = read_set(folder)
    assert read.documents == ("docs/hours.md", "docs/unasked.txt")
    assert read.types == ("plain", "paged", "none")
    assert [question.golds for question in read.questions] == [
        (Gold("The museum opens at nine."),),
        (Gold(page=7), Gold(page=9)),
        (Gold(),),
        (),
    ]
    assert [question.answerable for question in read.questions] == [True, True, True, False]
    assert [question.answer for question in read.questions] == ["nine", "", "", ""]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"gold": [{}]}, "a text, a page, or says document_only"),
        ({"gold": [{"text": "a", "page": 1}]}, "a text, a page, or says document_only"),
        ({"gold": [{"text": " "}]}, "gold.0.text"),
        ({"gold": [{"page": 0}]}, "gold.0.page"),
        ({"gold": []}, "gold belongs"),
        ({"doc": None}, "gold belongs"),
        ({"question": ""}, "question"),
        ({"id": 4}, "id"),
        ({"id": "q1"}, "same id"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    folder = write_set(tmp_path / "set", [line(1), line(2, **fields)], HOURS)
    with pytest.raises(InvalidRequest, match=f"line 2: .*{said}"):
        read_set(folder)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"has no questions\.jsonl"):
        read_set(tmp_path)
    with pytest.raises(InvalidRequest, match=r"lacks the document docs/hours\.md"):
        read_set(write_set(tmp_path / "one", [line(1)], {}))
    with pytest.raises(InvalidRequest, match="holds no question"):
        read_set(write_set(tmp_path / "two", [], HOURS))
    (tmp_path / "secret.md").write_text("outside")
    with pytest.raises(InvalidRequest, match="lacks the document"):
        read_set(write_set(tmp_path / "three", [line(1, doc="../secret.md")], HOURS))


def test_a_sample_is_the_same_each_time_and_of_every_type(tmp_path: Path) -> None:
    lines = [line(number, type="odd" if number % 2 else "even") for number in range(40)]
    read = read_set(write_set(tmp_path / "set", lines, HOURS))
    sample = read.sample(3, seed=1)
    assert sample == read.sample(3, seed=1)
    assert sample != read.sample(3, seed=2)
    assert sorted(question.type for question in sample.questions) == ["even"] * 3 + ["odd"] * 3
    assert read.sample(None, seed=1) == read
    assert len(read.sample(100, seed=1).questions) == 40
