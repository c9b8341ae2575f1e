"""Values in a query string, checked. Layer 5."""

from __future__ import annotations

import re
from datetime import date

from starlette.requests import Request

from aura_local.errors import InvalidRequest

_DIGITS = re.compile(r"[0-9]{1,15}")


def whole_number(request: Request, name: str, default: int) -> int:
    """Raises `InvalidRequest` for anything but up to 15 digits."""
    value = request.query_params.get(name)
    if value is None:
        return default
    if _DIGITS.fullmatch(value) is None:
        raise InvalidRequest(f"{name} is a whole number.")
    return int(value)


def day(request: Request, name: str) -> date | None:
    """A day as `2026-11-23`. Raises `InvalidRequest` for anything else."""
    value = request.query_params.get(name)
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise InvalidRequest(f"{name} is a day, for example 2026-01-31.") from error
