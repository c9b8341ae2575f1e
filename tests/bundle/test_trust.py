"""Whose bundles are taken, and what is a public key."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from aura_local.bundle.reading import open_bundle
from aura_local.bundle.trust import Trust, fingerprint, key_text, read_key
from aura_local.errors import AuraError, PermissionDenied
from tests.bundle.made_bundles import PUBLIC, make


@pytest.mark.parametrize(
    ("trust", "trusted"),
    [
        (Trust(PUBLIC), True),
        (Trust(bytes(32)), False),
        (Trust(fingerprint=fingerprint(PUBLIC)), True),
        (Trust(fingerprint=fingerprint(PUBLIC).replace("-", " ").upper()), True),
        (Trust(fingerprint=fingerprint(PUBLIC)[:4]), False),
        (Trust(fingerprint=""), False),
        (Trust(), False),
        (Trust(remembered=PUBLIC), True),
        (Trust(remembered=bytes(32)), False),
        (Trust(bytes(32), remembered=PUBLIC), False),
        (Trust(PUBLIC, remembered=bytes(32)), True),
    ],
)
def test_whose_bundles_are_taken(trust: Trust, trusted: bool, tmp_path: Path) -> None:
    make(tmp_path / "a.bundle")
    with ExitStack() as stack:
        if not trusted:
            stack.enter_context(pytest.raises(PermissionDenied, match=fingerprint(PUBLIC)))
        stack.enter_context(open_bundle(tmp_path / "a.bundle", trust))


@pytest.mark.parametrize("text", ["", "aura-ed25519:", "aura-ed25519:AAAA", "aura-ed25519:*", "nothing"])
def test_what_is_no_key_is_told(text: str) -> None:
    with pytest.raises(AuraError):
        read_key(text)


def test_a_key_is_read_from_a_file_or_as_text(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(key_text(PUBLIC) + "\n")
    assert read_key(str(tmp_path / "key")) == read_key(key_text(PUBLIC)) == PUBLIC
