"""The tree of errors is drawn as it is, and each has one word of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from aura_local import errors
from aura_local.errors import AuraError, Busy, ConfigurationError, StorageFull


def every(kind: type[AuraError] = AuraError) -> Iterator[type[AuraError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from every(below)


def test_codes_are_words_and_all_different() -> None:
    codes = [kind.default_code for kind in every()]
    assert len(set(codes)) == len(codes)
    for kind in every():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.default_code)
        assert kind.default_code == kind.__dict__["default_code"], f"{kind.__name__} has no code of its own"


def test_the_drawing_shows_every_error_below_its_parent() -> None:
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([ │├└─]*)([A-Z][A-Za-z]+)(?:\s{2,}.*)?$", line)
        if not line.startswith("    ") or match is None:
            continue
        depth, name = len(match[1]), match[2]
        above = [(other, parent) for other, parent in above if other < depth]
        drawn[name] = above[-1][1] if above else "Exception"
        above.append((depth, name))
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in every()}


def test_what_may_succeed_later_says_so() -> None:
    assert not ConfigurationError("x").retryable
    assert all(kind("x").retryable for kind in every(Busy))
    assert StorageFull("x").retryable
    assert not StorageFull("x", retryable=False).retryable


@pytest.mark.parametrize("kind", list(every()), ids=lambda kind: kind.__name__)
def test_an_error_is_its_message(kind: type[AuraError]) -> None:
    error = kind("The port is taken.", code="port_taken")
    assert str(error) == error.message == "The port is taken."
    assert error.code == "port_taken"
    assert kind("x").code == kind.default_code
    assert kind.__doc__
