"""Exit codes and error lines."""

from __future__ import annotations

import json

import pytest
import typer

from aura_local.commands.failures import ExitCode, exit_code, fail, first_error
from aura_local.errors import (
    AudioUnreadable,
    AuraError,
    ConfigurationError,
    InvalidRequest,
    ModelDamaged,
    ModelMissing,
    NotFound,
    PayloadTooLarge,
    ProtocolViolation,
    StorageFull,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (AuraError, 1),
        (NotFound, 1),
        (AudioUnreadable, 1),
        (ModelDamaged, 1),
        (PayloadTooLarge, 1),
        (StorageFull, 1),
        (ConfigurationError, 2),
        (InvalidRequest, 2),
        (ProtocolViolation, 2),
        (ModelMissing, 3),
    ],
)
def test_the_nearest_ancestor_decides_the_exit_code(kind: type[AuraError], code: int) -> None:
    assert exit_code(kind("something is wrong")) == code


def test_every_error_has_an_exit_code() -> None:
    kinds = [AuraError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        assert exit_code(kind("")) in (ExitCode.FAILED, ExitCode.WRONG_USAGE, ExitCode.MISSING)


def test_an_error_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as end:
        fail(ModelMissing("The model is not installed; get it with: pip install it."))
    out, err = capsys.readouterr()
    assert (end.value.exit_code, out) == (3, "")
    assert err == "error: The model is not installed; get it with: pip install it.\n"


def test_with_json_standard_output_is_the_error_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        fail(StorageFull("No space is left."), as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "error": {"code": "storage_full", "message": "No space is left.", "retryable": True}
    }
    assert err == "error: No space is left.\n"


def test_the_error_inside_nested_groups_is_found() -> None:
    inner = NotFound("There is none.")
    assert first_error(ExceptionGroup("", [ExceptionGroup("", [inner])])) is inner
