"""The messages between the espeak-ng worker and the program."""

from __future__ import annotations

import io

import pytest

from aura_local.adapters.espeak_worker import (
    HEADER_LIMIT_BYTES,
    PAYLOAD_LIMIT_BYTES,
    SIZES,
    MalformedMessage,
    read_message,
    write_message,
)


def test_messages_round_trip() -> None:
    stream = io.BytesIO()
    write_message(stream, {"kind": "audio"}, b"\x01\x02")
    write_message(stream, {"kind": "end"})
    stream.seek(0)
    assert read_message(stream) == ({"kind": "audio"}, b"\x01\x02")
    assert read_message(stream) == ({"kind": "end"}, b"")
    assert read_message(stream) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"\x01",
        SIZES.pack(4, 0) + b"{}",
        SIZES.pack(2, 5) + b"{}abc",
        SIZES.pack(3, 0) + b"{{{",
        SIZES.pack(2, 0) + b"[]",
        SIZES.pack(HEADER_LIMIT_BYTES + 1, 0),
        SIZES.pack(2, PAYLOAD_LIMIT_BYTES + 1),
    ],
    ids=["cut size", "cut header", "cut payload", "no json", "no object", "huge header", "huge payload"],
)
def test_malformed_messages_are_errors_not_the_end(raw: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_message(io.BytesIO(raw))
