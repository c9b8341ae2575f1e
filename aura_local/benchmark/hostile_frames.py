"""Makes WebSocket frames as no honest client sends them, from a seed. Layer 4.

Half of them keep to RFC 6455 and are wrong in what they say, the other half break the framing itself: the
first reach deep into a session, the second end their connection.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10
RESERVED: Final = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
CLOSE_CODES: Final = (0, 999, 1000, 1001, 1004, 1005, 1006, 1012, 1015, 1100, 2999, 3000, 4999, 5000, 65_535)
BROKEN_TEXT: Final = (b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"{\xff}")

_MESSAGES: Final[tuple[Mapping[str, Any], ...]] = (
    {"type": "start", "key": "aura_0_0", "sample_rate_hz": 16_000, "output_sample_rate_hz": 24_000},
    {"type": "start", "key": "aura_0_0", "resume": "A" * 43, "last_sequence": 3, "from_sample": 320},
    {"type": "text", "text": "When does the museum open?"},
    {"type": "played", "reply_id": 1, "samples": 2400},
    {"type": "cancel"},
    {"type": "stop"},
)
_VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1.5, 1e308, 2**31, 2**63, -(2**63), 10**40, "", "\0", "\ud800", "\u202e", "a" * 5000,
    [], [[]], {}, {"type": "start"}, [None] * 1000, "start", "16000", float("nan"), float("inf"),
)  # fmt: skip


def frame(opcode: int, payload: bytes, *, fin: bool = True, reserved: int = 0, mask: bool = True) -> bytes:
    """One frame as it goes over the wire, masked with zeros."""
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    flag = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([flag | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([flag | 126]) + len(payload).to_bytes(2, "big")
    else:
        head += bytes([flag | 127]) + len(payload).to_bytes(8, "big")
    return head + (bytes(4) if mask else b"") + payload


def hostile_frame(chance: random.Random) -> bytes:
    """One frame, or the pieces of one message, chosen by `chance`."""
    weights = (8, 3, 4, 2, 2, 1, 1, 1, 1)
    (make,) = chance.choices(_MAKERS, weights)
    return make(chance)


def _message(chance: random.Random) -> bytes:
    """A message of ours with something changed; sometimes nothing."""
    message = dict(chance.choice(_MESSAGES))
    for _ in range(chance.randrange(3)):
        name = chance.choice([*message, "surprise"])
        if chance.random() < 0.2:
            message.pop(name, None)
        else:
            message[name] = chance.choice(_VALUES)
    written = json.dumps(message)
    if chance.random() < 0.2:
        place = chance.randrange(len(written))
        written = (
            written[:place]
            + chance.choice(["", "}", '"', "\0", "[" * 2000, ",", "\\"])
            + written[place + 1 :]
        )
    return frame(TEXT, written.encode("utf-8", "surrogatepass"))


def _noise(chance: random.Random) -> bytes:
    return frame(chance.choice([TEXT, BINARY]), chance.randbytes(chance.choice([0, 1, 7, 126, 4096])))


def _audio(chance: random.Random) -> bytes:
    return frame(BINARY, chance.randbytes(2 * chance.randrange(330) + (chance.random() < 0.1)))


def _fragments(chance: random.Random) -> bytes:
    """A message in pieces, some empty, perhaps with a ping between them, perhaps without an end."""
    payload = json.dumps(chance.choice(_MESSAGES)).encode()
    place = chance.randrange(len(payload))
    between = frame(PING, b"between") if chance.random() < 0.5 else b""
    empty = frame(0, b"", fin=False) * chance.randrange(4)
    last = frame(0, payload[place:], fin=chance.random() < 0.9)
    return frame(TEXT, payload[:place], fin=False) + between + empty + last


def _control(chance: random.Random) -> bytes:
    """Pings and pongs, some longer than 125 bytes or in pieces, which no control frame may be."""
    size_bytes = chance.choice([0, 4, 125, 125, 126])
    return frame(chance.choice([PING, PONG]), bytes(size_bytes), fin=chance.random() < 0.9)


def _goodbye(chance: random.Random) -> bytes:
    payload = chance.choice(CLOSE_CODES).to_bytes(2, "big") + chance.choice([b"", b"bye", *BROKEN_TEXT])
    return frame(CLOSE, payload[: chance.choice([0, 1, 2, 99])])


def _broken_text(chance: random.Random) -> bytes:
    return frame(TEXT, chance.choice(BROKEN_TEXT))


def _reserved(chance: random.Random) -> bytes:
    """Operations and bits that mean nothing, frames without a mask, pieces of no message."""
    return chance.choice(
        [
            frame(chance.choice(RESERVED), b"x"),
            frame(TEXT, b"{}", reserved=chance.randrange(1, 8)),
            frame(TEXT, b"{}", mask=False),
            frame(0, b"of nothing"),
        ]
    )


def _false_length(chance: random.Random) -> bytes:
    """More is announced than comes, or than anybody may send."""
    announced = chance.choice([65_537, 1 << 20, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
    return bytes([0x80 | BINARY, 0x80 | 127]) + announced.to_bytes(8, "big") + bytes(4) + b"little"


_MAKERS: Final[tuple[Callable[[random.Random], bytes], ...]] = (
    _message, _noise, _audio, _fragments, _control, _goodbye, _broken_text, _reserved, _false_length,
)  # fmt: skip
