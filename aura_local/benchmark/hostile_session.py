"""Makes what an open session should never be sent, from a seed: right in form, wrong in order or in what it
says. Layer 4.

Most of it is allowed and only unusual, so that a session lives long enough to be led astray: audio in pieces
of any size, replies cancelled that nobody began, playback reported that cannot have been, an end and more
after it. A small share breaks a rule, which must end the session with an error and not otherwise.
"""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Callable, Mapping
from typing import Any, Final

from aura_local.benchmark.hostile_frames import BINARY, PING, TEXT, frame

REPLY_IDS: Final = (0, 1, 1, 2, 3, 7, 2**32 - 1)
POSITIONS: Final = (0, 1, 240, 2400, 24_000, 2**31, 2**53)
QUESTIONS: Final = ("When does the museum open?", "?", "\u202eneho ti si nehW", "a" * 2000, "0\u0000\ufffd")
NEARLY: Final[tuple[Mapping[str, Any], ...]] = (
    {"type": "played", "reply_id": 1},
    {"type": "played", "reply_id": "1", "samples": 0},
    {"type": "played", "reply_id": 1, "samples": -1},
    {"type": "played", "reply_id": 2**32, "samples": 2**53 + 1},
    {"type": "cancel", "reply_id": 1},
    {"type": "stop", "now": True},
    {"type": "text", "text": " "},
    {"type": "text", "text": ["When?"]},
    {"type": "ready", "sequence": 1},
    {"type": "reply_finished"},
    {"type": "start"},
)
"""Each breaks one rule of the protocol."""


def session_frame(chance: random.Random) -> bytes:
    """One message for an open session, in one frame or several."""
    weights = (12, 4, 3, 2, 2, 2, 1, 1)
    (make,) = chance.choices(_MAKERS, weights)
    return make(chance)


def resuming_start(chance: random.Random, key: str, token: str) -> bytes:
    """A `start` that goes on with a session, half of the time asking for what cannot be had."""
    message: dict[str, Any] = {"type": "start", "key": key, "resume": token}
    for name in ("last_sequence", "from_sample"):
        if chance.random() < 0.6:
            message[name] = chance.choice(POSITIONS)
    if chance.random() < 0.15:
        message["resume"] = chance.choice([token[:-1], token.swapcase(), token * 2, ""])
    if chance.random() < 0.15:
        message["sample_rate_hz"] = chance.choice([8_000, 48_000])
    return frame(TEXT, json.dumps(message).encode())


def _json(message: Mapping[str, Any]) -> bytes:
    return frame(TEXT, json.dumps(message).encode())


def _audio(chance: random.Random) -> bytes:
    """20 ms to half a second of silence, noise, or the loudest square wave there is."""
    samples = chance.choice([1, 320, 320, 320, 441, 1600, 8000])
    kind = chance.randrange(3)
    if kind == 0:
        return frame(BINARY, bytes(2 * samples))
    if kind == 1:
        return frame(BINARY, chance.randbytes(2 * samples))
    wave = array("h", [32_767 if number // 40 % 2 else -32_768 for number in range(samples)])
    return frame(BINARY, wave.tobytes())


def _changed_audio(chance: random.Random) -> bytes:
    """Audio in which something was changed after it was made: a byte, or the length."""
    payload = bytearray(chance.randbytes(640))
    payload[chance.randrange(len(payload))] ^= 1 << chance.randrange(8)
    if chance.random() < 0.1:
        payload.append(0)  # half a sample: refused
    return frame(BINARY, bytes(payload))


def _pieces_of_audio(chance: random.Random) -> bytes:
    """One message in frames that are split inside a sample, with a ping between them."""
    payload, place = chance.randbytes(640), chance.randrange(640)
    between = frame(PING, b"?") if chance.random() < 0.5 else b""
    return frame(BINARY, payload[:place], fin=False) + between + frame(0, payload[place:])


def _played(chance: random.Random) -> bytes:
    message = {"reply_id": chance.choice(REPLY_IDS), "samples": chance.choice(POSITIONS)}
    return _json({"type": "played", **message})


def _cancel(chance: random.Random) -> bytes:
    return _json({"type": "cancel"}) * chance.choice([1, 1, 2, 5])


def _text(chance: random.Random) -> bytes:
    return _json({"type": "text", "text": chance.choice(QUESTIONS)}) * chance.choice([1, 1, 1, 3])


def _stop(_chance: random.Random) -> bytes:
    """And then more, from whatever follows."""
    return _json({"type": "stop"})


def _nearly_right(chance: random.Random) -> bytes:
    return _json(chance.choice(NEARLY))


_MAKERS: Final[tuple[Callable[[random.Random], bytes], ...]] = (
    _audio, _changed_audio, _played, _pieces_of_audio, _cancel, _text, _stop, _nearly_right,
)  # fmt: skip
