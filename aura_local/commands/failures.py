"""How a command ends when it fails: one red line on standard error, and an exit code scripts can use."""

from __future__ import annotations

import json
import sys
from enum import IntEnum
from typing import Final, NoReturn

import typer

from aura_local.errors import (
    AuraError,
    ConfigurationError,
    InvalidRequest,
    ModelMissing,
    PayloadTooLarge,
)


class ExitCode(IntEnum):
    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    MISSING = 3
    """A model, a package or a system library is not installed."""
    INTERRUPTED = 130
    """Control-C, as shells report it: 128 + SIGINT."""


EXIT_CODES: Final[dict[type[BaseException], ExitCode]] = {
    AuraError: ExitCode.FAILED,
    ConfigurationError: ExitCode.WRONG_USAGE,
    InvalidRequest: ExitCode.WRONG_USAGE,
    PayloadTooLarge: ExitCode.FAILED,
    ModelMissing: ExitCode.MISSING,
}
"""By error class; the nearest ancestor decides."""


def exit_code(error: AuraError) -> ExitCode:
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def fail(error: AuraError, *, as_json: bool = False) -> NoReturn:
    """Tell the error and end the command.

    With `as_json` standard output gets `{"error": {"code", "message", "retryable"}}` as well: a script
    that parses it finds valid JSON in every case.
    """
    if as_json:
        body = {"code": error.code, "message": error.message, "retryable": error.retryable}
        print(json.dumps({"error": body}, ensure_ascii=False))
    line = f"error: {error.message}"
    coloured = sys.stderr.isatty()
    typer.secho(line, fg="red" if coloured else None, err=True)
    raise typer.Exit(exit_code(error))


def first_error(error: BaseException) -> AuraError:
    """The first of our errors in a group of them, as task groups raise it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, AuraError)
    return error
