"""Our own check of signatures: the vectors of RFC 8032, and agreement with the kept library."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_local.bundle import signing
from aura_local.bundle.ed25519 import signature_holds
from tests.bundle.made_bundles import flip

# RFC 8032, section 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_the_vectors_of_the_standard(key: str, message: str, signature: str) -> None:
    words = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
    assert signature_holds(*words)
    assert not signature_holds(words[0], words[1] + b"x", words[2])


@settings(max_examples=25, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), place=st.integers(0, 511))
def test_it_agrees_with_the_library(seed: bytes, message: bytes, place: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = signing.public_key_of(key), key.sign(message)
    wrong = flip(place // 8, place % 8)(signature)
    for check in (signature_holds, signing.signature_holds):
        assert check(public, message, signature)
        assert not check(public, message, wrong)


@pytest.mark.parametrize(
    ("key", "signature"),
    [
        (bytes(31), bytes(64)),
        (bytes(32), bytes(63)),
        (b"\xff" * 32, bytes(64)),
        ((2).to_bytes(32, "little"), bytes(64)),
        ((1 + (1 << 255)).to_bytes(32, "little"), bytes(64)),
    ],
)
def test_what_encodes_no_point_holds_nothing(key: bytes, signature: bytes) -> None:
    assert not signature_holds(key, b"", signature)


def test_a_signature_has_one_spelling_only() -> None:
    """S + L signs the same, so that a check without a bound would take two (RFC 8032, 5.1.7)."""
    key, message, signature = (bytes.fromhex(text) for text in VECTORS[1])
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not signature_holds(key, message, signature[:32] + scalar.to_bytes(32, "little"))
