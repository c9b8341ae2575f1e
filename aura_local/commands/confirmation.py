"""Asks before something that cannot be undone."""

from __future__ import annotations

import typer

from aura_local.commands.failures import fail
from aura_local.errors import InvalidRequest


def confirm_by_typing(words: str, question: str, *, as_json: bool) -> None:
    """End the command unless `words` are typed in exactly; called before the event loop starts.

    The question goes to standard error.
    """
    try:
        typed = typer.prompt(question, err=True, default="", show_default=False)
    except typer.Abort:
        typed = ""
    if typed != words:
        fail(InvalidRequest("That was not confirmed; nothing has been changed."), as_json=as_json)
