"""Where tests write, and that it falls back to the disk."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.memory_disk import PLACE_VARIABLE, SHARED_MEMORY, chosen_place, has_room


def test_a_folder_without_room_is_not_taken(tmp_path: Path) -> None:
    assert has_room(tmp_path, least_free_bytes=1)
    assert not has_room(tmp_path, least_free_bytes=1 << 60)
    assert not has_room(tmp_path / "missing", least_free_bytes=1)


def test_another_place_that_was_named_is_left_alone(tmp_path: Path) -> None:
    assert chosen_place(None, {}, tmp_path) in (tmp_path, None)
    assert chosen_place(str(tmp_path), {}, tmp_path) is None
    assert chosen_place(None, {PLACE_VARIABLE: str(tmp_path)}, tmp_path) is None
    assert chosen_place(None, {}, tmp_path / "missing") is None


def test_this_run_writes_where_it_was_decided(tmp_path: Path) -> None:
    place = os.environ.get(PLACE_VARIABLE)
    assert place is None or tmp_path.is_relative_to(place)
    # Another folder than the system's memory was named by whoever started the run.
    assert place is not None or not has_room(SHARED_MEMORY) or not tmp_path.is_relative_to(SHARED_MEMORY)
