"""The process in which espeak-ng speaks: one library, one global state, one sentence at a time. Layer 3.

Run as `python -I -m aura_local.adapters.espeak_worker LIBRARY DATA_FOLDER`; needs only the standard
library. It reads requests from standard input and answers on standard output, both as messages of

    u32 header size, u32 payload size (little-endian), header (JSON), payload (16-bit PCM, mono)

    -> {"text": "...", "voice": "en-us", "rate_wpm": 175, "pitch": 50}
    <- {"kind": "ready", "sample_rate_hz": 22050}       once, when the library is loaded
    <- {"kind": "audio"} + payload                      zero or more per request
    <- {"kind": "end"}                                  the request is done
    <- {"kind": "unknown_voice"}                        instead of audio and end

It ends when its input ends, so it never outlives the process that started it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import sys
from typing import Any, BinaryIO, Final

HEADER_LIMIT_BYTES: Final = 64 * 1024
PAYLOAD_LIMIT_BYTES: Final = 4 * 1024 * 1024
SIZES: Final = struct.Struct("<II")

CHUNK_MS: Final = 500
"""Audio per message; espeak-ng makes it in about 1 ms."""

# speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS: Final = 2
INITIALIZE_DONT_EXIT: Final = 0x8000
PARAMETER_RATE: Final = 1
PARAMETER_PITCH: Final = 3
CHARS_UTF8: Final = 1
POSITION_CHARACTER: Final = 1


class MalformedMessage(ValueError):
    """The other side sent something that is not a message."""


def write_message(stream: BinaryIO, header: dict[str, Any], payload: bytes = b"") -> None:
    """Write one message and flush it."""
    encoded = json.dumps(header).encode()
    stream.write(SIZES.pack(len(encoded), len(payload)) + encoded + payload)
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next message; None at the end of the stream. Raises `MalformedMessage`."""
    sizes = stream.read(SIZES.size)
    if not sizes:
        return None
    if len(sizes) < SIZES.size:
        raise MalformedMessage("the stream ended inside a message")
    header_bytes, payload_bytes = SIZES.unpack(sizes)
    if header_bytes > HEADER_LIMIT_BYTES or payload_bytes > PAYLOAD_LIMIT_BYTES:
        raise MalformedMessage(f"a message of {header_bytes} + {payload_bytes} bytes is too large")
    body = stream.read(header_bytes + payload_bytes)
    if len(body) < header_bytes + payload_bytes:
        raise MalformedMessage("the stream ended inside a message")
    try:
        header = json.loads(body[:header_bytes])
    except ValueError as error:
        raise MalformedMessage("the header is not JSON") from error
    if not isinstance(header, dict):
        raise MalformedMessage("the header is not an object")
    return header, body[header_bytes:]


class Synthesiser:
    """The espeak-ng library by ctypes."""

    def __init__(self, library: str, data_folder: str, replies: BinaryIO) -> None:
        self._replies = replies
        self._voice = ""
        self._library = ctypes.CDLL(os.path.abspath(library))
        # espeak-ng keeps the path of its data in 160 bytes (`N_PATH_HOME`); from inside, any depth will do.
        os.chdir(data_folder)
        self.sample_rate_hz = self._library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, CHUNK_MS, b".", INITIALIZE_DONT_EXIT
        )
        if self.sample_rate_hz <= 0:
            raise OSError("espeak_Initialize failed")
        prototype = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._callback = prototype(self._send)  # kept here: the library does not keep it alive
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, request: dict[str, Any]) -> bool:
        """Send the audio of one request; False when its voice does not exist."""
        voice = str(request["voice"])
        if voice != self._voice:
            if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
                self._voice = ""
                return False
            self._voice = voice
        self._library.espeak_SetParameter(PARAMETER_RATE, int(request["rate_wpm"]), 0)
        self._library.espeak_SetParameter(PARAMETER_PITCH, int(request["pitch"]), 0)
        text = str(request["text"]).replace("\0", " ").encode() + b"\0"
        self._library.espeak_Synth(
            text, ctypes.c_size_t(len(text)), 0, POSITION_CHARACTER, 0, CHARS_UTF8, None, None
        )
        self._library.espeak_Synchronize()
        return True

    def _send(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            try:
                write_message(self._replies, {"kind": "audio"}, ctypes.string_at(samples, count * 2))
            except OSError:  # nobody listens any more; an exception would be lost in the C code
                os._exit(0)
        return 0


def serve(library: str, data_folder: str) -> None:
    """Answer requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not break the messages
    synthesiser = Synthesiser(library, data_folder, replies)
    write_message(replies, {"kind": "ready", "sample_rate_hz": synthesiser.sample_rate_hz})
    while (message := read_message(sys.stdin.buffer)) is not None:
        spoken = synthesiser.speak(message[0])
        write_message(replies, {"kind": "end" if spoken else "unknown_voice"})


if __name__ == "__main__":
    serve(*sys.argv[1:3])
