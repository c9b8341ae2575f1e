"""A visitor who asks for a spoken answer and then never reads again. Layer 4."""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.uri import parse_uri

RECEIVE_BYTES: Final = 4096
"""Of the socket: what the kernel takes in for a visitor who does not read."""
AUDIO_WITHIN_S: Final = 120.0


class StalledVisitor:
    """One connection on a bare socket, so that nothing reads in the background.

    `stall` returns when the first audio has come; from then on nothing is read, and nothing is sent either.
    """

    def __init__(self, socket_url: str, key: str, question: str) -> None:
        self._url = socket_url
        self._key = key
        self._question = question
        self._socket: socket.socket | None = None

    async def stall(self) -> None:
        """Raises `OSError` when the server hangs up before its first audio, `TimeoutError`."""
        await anyio.to_thread.run_sync(self._stall, abandon_on_cancel=False)

    def _stall(self) -> None:
        parts = urlsplit(self._url)
        bare = self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Before connecting: it bounds the window that is offered.
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        bare.settimeout(AUDIO_WITHIN_S)
        bare.connect((parts.hostname, parts.port))
        protocol = ClientProtocol(parse_uri(self._url), max_size=None)
        protocol.send_request(protocol.connect())
        self._flush(bare, protocol)
        started = False
        while True:
            data = bare.recv(1024)
            if not data:
                raise ConnectionError("The server hung up.")
            protocol.receive_data(data)
            events: list[Any] = protocol.events_received()
            if not started and events:
                started = True
                self._send(protocol, {"type": "start", "key": self._key, "sample_rate_hz": 16_000})
                self._send(protocol, {"type": "text", "text": self._question})
                self._flush(bare, protocol)
            if any(getattr(event, "opcode", None) is Opcode.BINARY for event in events):
                return

    @staticmethod
    def _send(protocol: ClientProtocol, message: dict[str, Any]) -> None:
        protocol.send_text(json.dumps(message).encode())

    @staticmethod
    def _flush(bare: socket.socket, protocol: ClientProtocol) -> None:
        for data in protocol.data_to_send():
            bare.sendall(data)

    def __enter__(self) -> StalledVisitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()
