"""Hears what commands on the same machine tell the running server: `aura models use`. Layer 5."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio.abc import SocketStream

from aura_local.accounts.principal import operator
from aura_local.control_socket import CONTROL_SOCKET, read_line, written
from aura_local.errors import AuraError, InvalidRequest
from aura_local.model_use import use_model
from aura_server.problems import as_aura_error, error_body

if TYPE_CHECKING:
    from aura_local.engine import Engine

log = logging.getLogger(__name__)

ASKED_WITHIN_S: Final = 5.0


async def hear_commands(engine: Engine) -> None:
    """Listen on the socket in the data folder until cancelled.

    Where it cannot be had (another server has it, the path is longer than sockets allow, the file system has
    none) the server runs without, and takes what commands wrote when it is started again.
    """
    path = engine.settings.home / CONTROL_SOCKET
    if await _somebody_listens(path):
        log.warning("another server hears the commands for this data folder")
        return
    try:
        listener = await anyio.create_unix_listener(path, mode=0o600)
    except OSError as error:
        log.warning("commands cannot reach the server", extra={"fields": {"errno": error.errno}})
        return
    try:
        async with listener:
            await listener.serve(lambda connection: _answer(engine, connection))
    except OSError as error:  # no files left for one more connection: the conversations go on
        log.warning("the server hears no more commands", extra={"fields": {"errno": error.errno}})
    finally:
        path.unlink(missing_ok=True)


async def _somebody_listens(path: Path) -> bool:
    try:
        connection = await anyio.connect_unix(path)
    except OSError:
        return False
    await connection.aclose()
    return True


async def _answer(engine: Engine, connection: SocketStream) -> None:
    async with connection:
        try:
            answer = await _done(engine, connection)
        except (anyio.EndOfStream, anyio.BrokenResourceError, TimeoutError):
            return
        except Exception as error:  # one command must not end the others
            if not isinstance(error, AuraError):
                log.exception("a command failed")
            answer = error_body(as_aura_error(error))
        # Whoever asked may have gone; what was done stays done.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await connection.send(written(answer))


async def _done(engine: Engine, connection: SocketStream) -> dict[str, Any]:
    with anyio.fail_after(ASKED_WITHIN_S):
        try:
            request = await read_line(connection)
        except ValueError as error:
            raise InvalidRequest("The server was asked something that it does not understand.") from error
    name = request.get("use_model")
    if not isinstance(name, str) or len(request) != 1:
        raise InvalidRequest("The server was asked something that it does not understand.")
    return asdict(await use_model(engine, operator(), name))
