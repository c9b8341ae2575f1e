"""docs/security.md and server/README.md say what the permission table and the route table say."""

from __future__ import annotations

import re
from typing import Any, cast

from aura_server.app import all_operations

from aura_local.accounts.permissions import PERMISSIONS, ROLES

from .fenced_blocks import ROOT

SECURITY = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
SERVER = (ROOT / "server" / "README.md").read_text(encoding="utf-8")


class AnyEngine:
    """Gives the route table whatever it asks an engine for; nothing of it is called."""

    def __getattr__(self, name: str) -> Any:
        return AnyEngine()

    def __call__(self, *_arguments: object) -> Any:
        return AnyEngine()


def test_the_table_of_roles_is_the_permission_table() -> None:
    header = next(line for line in SECURITY.splitlines() if line.startswith("| Permission |"))
    roles = [cell.strip() for cell in header.strip("|").split("|")][1:]
    told: dict[str, set[str]] = {}
    for line in re.findall(r"^\| `[a-z]+\.?[a-z]*` \|.*$", SECURITY, re.M):
        permission, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        told[permission.strip("`")] = {role for role, cell in zip(roles, cells, strict=True) if cell == "yes"}
    assert set(told) == PERMISSIONS
    for permission, holders in told.items():
        assert holders == {role for role in roles if permission in ROLES[cast("Any", role)]}, permission


def test_every_tested_by_exists() -> None:
    for path in re.findall(r"`(tests/[\w/.]+)`", SECURITY):
        assert (ROOT / path).exists(), path


def test_every_route_is_told_with_what_it_needs() -> None:
    rows = [line for line in SERVER.splitlines() if line.startswith("| `")]
    for operation in all_operations(cast("Any", AnyEngine())):
        row = next((row for row in rows if f"{operation.path}`" in row and operation.method in row), None)
        if row is None:  # a row names its method once, and further paths after it
            row = next((row for row in rows if f"`{operation.path}`" in row), None)
        assert row is not None, (operation.method, operation.path)
        if operation.needs is not None:
            assert f"`{operation.needs}`" in row, (operation.method, operation.path)
