"""A word with the server that runs on a data folder, over a socket that lies in it. Layer 0.

Whoever may open the socket may run commands on this machine as the server's user, and so is the operator; no
key is asked for. One line of JSON goes each way. Found by its path, the server needs no process id, which
would be another's inside a container, or after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import ByteReceiveStream

from aura_local.errors import AuraError, DeadlineExceeded

CONTROL_SOCKET: Final = "control.socket"
LINE_BYTES: Final = 16 * 1024
ANSWER_WITHIN_S: Final = 900.0
"""Proving and loading eight gigabytes from a slow disk takes minutes."""


async def ask_server(home: Path, request: Mapping[str, str]) -> dict[str, Any] | None:
    """What the server says to a request; None where none runs on the folder.

    Raises the error that the server tells, and `DeadlineExceeded`.
    """
    try:
        connection = await anyio.connect_unix(home / CONTROL_SOCKET)
    except OSError:
        return None
    async with connection:
        try:
            with anyio.fail_after(ANSWER_WITHIN_S):
                await connection.send(written(request))
                answer = await read_line(connection)
        except TimeoutError as error:
            raise DeadlineExceeded("The running server does not answer; look into its log.") from error
        except (anyio.EndOfStream, anyio.BrokenResourceError, ValueError) as error:
            raise AuraError("The running server went away before it answered; look into its log.") from error
    if "error" in answer:
        told = answer["error"]
        raise AuraError(told["message"], code=told["code"], retryable=told["retryable"])
    return answer


def written(message: Mapping[str, object]) -> bytes:
    """A message as it goes over the socket."""
    return json.dumps(message).encode() + b"\n"


async def read_line(connection: ByteReceiveStream) -> dict[str, Any]:
    """The message that comes. Raises ValueError for anything else, and what the stream raises."""
    line = b""
    while not line.endswith(b"\n"):
        line += await connection.receive()
        if len(line) > LINE_BYTES:
            raise ValueError("the line is too long")
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("the line is no object")
    return message
