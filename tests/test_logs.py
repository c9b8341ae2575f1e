from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from aura_local.errors import StorageFull
from aura_local.logs import configure_logging

log = logging.getLogger("aura_local.tests")


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(level: str = "info", *, json_lines: bool = False, show_private: bool = False) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level, json_lines=json_lines, show_private=show_private, stream=stream)
    return stream


def test_json_lines_carry_the_fields() -> None:
    stream = written(json_lines=True)
    log.info("document indexed", extra={"passages": 12})
    line = json.loads(stream.getvalue())
    assert (line["message"], line["level"], line["passages"]) == ("document indexed", "info", 12)
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize("json_lines", [True, False])
@pytest.mark.parametrize(("level", "show_private"), [("info", True), ("debug", False), ("info", False)])
def test_private_values_are_dropped(level: str, show_private: bool, json_lines: bool) -> None:
    stream = written(level, json_lines=json_lines, show_private=show_private)
    log.warning("turn failed", extra={"private": {"heard": "my secret"}})
    assert "turn failed" in stream.getvalue()
    assert "secret" not in stream.getvalue()


def test_private_values_are_written_at_debug_after_opting_in() -> None:
    stream = written("debug", show_private=True)
    log.warning("turn failed", extra={"private": {"heard": "my secret"}})
    assert "heard=my secret" in stream.getvalue()


@pytest.mark.parametrize("json_lines", [True, False])
def test_the_text_of_a_foreign_exception_is_not_written(json_lines: bool) -> None:
    stream = written(json_lines=json_lines)
    try:
        try:
            raise KeyError("spoken words")
        except KeyError as error:
            raise ValueError("more spoken words") from error
    except ValueError:
        log.exception("unexpected")
    line = stream.getvalue()
    assert "spoken" not in line
    assert line.count("\n") == 1
    assert "ValueError" in line
    assert "KeyError" in line
    assert "test_logs.py" in line


def test_the_text_of_our_own_errors_is_written() -> None:
    stream = written()
    try:
        raise StorageFull("Less than 500 MiB are free.")
    except StorageFull:
        log.exception("upload refused")
    assert "StorageFull: Less than 500 MiB are free." in stream.getvalue()


def test_a_value_cannot_forge_a_second_line() -> None:
    stream = written()
    log.info("request", extra={"path": "/x\nerror root: forged"})
    assert stream.getvalue().count("\n") == 1


def test_levels_and_loud_libraries() -> None:
    stream = written("info")
    log.debug("detail")
    logging.getLogger("uvicorn.access").info("GET /?key=secret")
    assert stream.getvalue() == ""
    logging.getLogger("chromadb").warning("index rebuilt")
    assert "index rebuilt" in stream.getvalue()


def test_configuring_twice_writes_once() -> None:
    written()
    stream = written()
    log.info("once")
    assert stream.getvalue().count("once") == 1
