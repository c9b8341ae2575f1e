"""What the system's service manager is told: ready, alive, stopping. Layer 5.

The protocol of sd_notify(3): datagrams of `NAME=value` lines to the socket that `NOTIFY_SOCKET` names.
Nothing is sent where the variable is not set. Written here, because it is this short and the packages for it
are no longer kept.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from aura_local.errors import AuraError, ConfigurationError
from aura_server.engine_check import engines_answer

if TYPE_CHECKING:
    from aura_local.engine import Engine

log = logging.getLogger(__name__)

CHECKS_PER_WATCHDOG: Final = 4
"""Half of the watchdog's time is what sd_watchdog_enabled(3) asks for. A check may take as long as the pause
before it, so that two of these are the longest time between two signs of life; one busy moment is no end."""


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Where to tell it, and how often it wants to hear that we live."""

    address: str
    """A path, or `@` and a name in Linux's abstract namespace."""
    watchdog_s: float | None
    """Without a sign of life for this long the process is killed and started again; None: never."""

    @classmethod
    def of(cls, environment: Mapping[str, str], *, process_id: int) -> ServiceManager | None:
        """The one that started this process; None where there is none.

        Raises `ConfigurationError` for a kind of socket that this machine's manager does not use.
        """
        address = environment.get("NOTIFY_SOCKET", "")
        if not address:
            return None
        if address[0] not in "/@" or len(address) < 2:
            raise ConfigurationError("NOTIFY_SOCKET names neither a path nor an abstract socket.")
        microseconds = environment.get("WATCHDOG_USEC", "")
        wanted = environment.get("WATCHDOG_PID", str(process_id)) == str(process_id)
        watched = wanted and microseconds.isascii() and microseconds.isdigit() and int(microseconds) > 0
        return cls(address, int(microseconds) / 1e6 if watched else None)

    def tell(self, *lines: str) -> None:
        """Send the lines as one message. That nobody listens is logged: the server runs without a manager."""
        address = f"\0{self.address[1:]}" if self.address[0] == "@" else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            log.warning("service manager not told", extra={"fields": {"errno": error.errno}})


async def keep_informed(
    manager: ServiceManager, engine: Engine, *, pause: Callable[[float], Awaitable[object]] = anyio.sleep
) -> None:
    """Tell `manager` when the engines are loaded, and that they answer, until cancelled.

    Engines that could not be loaded keep the server from nothing: it says on every page which model is
    missing. A start anew would not bring it, so the server is ready without them.
    """
    try:
        manager.tell("STATUS=Loading the engines.")
        try:
            await engine.ready()
        except AuraError:
            log.warning("ready without all engines")
        manager.tell("READY=1", status_line(engine))
        if manager.watchdog_s is None:
            await anyio.sleep_forever()
        else:
            await _show_life(manager, engine, manager.watchdog_s / CHECKS_PER_WATCHDOG, pause)
    finally:
        manager.tell("STOPPING=1", "STATUS=Closing.")


async def _show_life(
    manager: ServiceManager, engine: Engine, every_s: float, pause: Callable[[float], Awaitable[object]]
) -> None:
    while True:
        if await engines_answer(engine.room, within_s=every_s):
            manager.tell("WATCHDOG=1", status_line(engine))
        else:
            log.error("the engines do not answer; the service manager is not told that all is well")
            manager.tell("STATUS=The engines do not answer.")
        await pause(every_s)


def status_line(engine: Engine) -> str:
    """What `systemctl status` shows."""
    absent = [status.job.replace("_", " ") for status in engine.status() if status.state != "loaded"]
    return f"STATUS=Ready, without: {', '.join(absent)}." if absent else "STATUS=Ready."


def service_manager() -> ServiceManager | None:
    """The one of this process, see `ServiceManager.of`."""
    return ServiceManager.of(os.environ, process_id=os.getpid())
