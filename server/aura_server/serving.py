"""Runs the server from a bound socket to a clean end. Layer 5."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import anyio

from aura_local.errors import AuraError, ConfigurationError
from aura_local.freed_memory import bound_free_memory
from aura_local.settings import ServerSettings
from aura_local.settings_sources import LoadedSettings
from aura_server.exit_deadline import exit_deadline
from aura_server.service_manager import keep_informed, service_manager
from aura_server.tls import ServerIdentity, handshakes_within, load_identity

if TYPE_CHECKING:
    from aura_local.data_home import AskPassphrase
    from aura_local.engine import Engine

Say = Callable[[str], None]
"""Shows one line to the person who started the server."""

WANTED_FILES: Final = 65_536
"""Open files: three per tenant, eleven more per open index, one per connection."""


async def run_server(
    loaded: LoadedSettings, *, demo_tenant: bool, say: Say, passphrase: AskPassphrase | None = None
) -> None:
    """Serve until SIGINT or SIGTERM; everything is closed when this returns.

    Raises `ConfigurationError` (the port is taken, a setting is wrong) and what opening the engine raises.
    """
    settings = loaded.values
    limits = settings.limits
    identity = load_identity(settings.server)
    manager = service_manager()
    with (
        bind(settings.server) as listener,
        handshakes_within(limits.header_deadline_s),
        exit_deadline(limits.shutdown_s) as deadline,
    ):
        address = server_address(listener, settings.server, secure=identity is not None)
        for warning in warnings_about(listener, identity, datetime.now(UTC)):
            say(f"  Warning: {warning}")
        raise_file_limit()
        bound_free_memory()
        import uvicorn

        from aura_local.engine import Engine
        from aura_server.app import create_app
        from aura_server.control import hear_commands
        from aura_server.http_protocol import server_config

        async with Engine.open(loaded, passphrase=passphrase) as engine:
            app = create_app(engine, identity=identity)
            context = None if identity is None else identity.context
            server = uvicorn.Server(server_config(app, limits, context))
            with _signals_left_to_server():
                async with anyio.create_task_group() as group:
                    group.start_soon(_introduce, engine, address, demo_tenant, say)
                    group.start_soon(deadline.start_when, lambda: server.should_exit)
                    group.start_soon(hear_commands, engine)
                    if manager is not None:
                        group.start_soon(keep_informed, manager, engine)
                    await server.serve(sockets=[listener])
                    deadline.start()
                    group.cancel_scope.cancel()
        say("AURA Local has stopped.")


def warnings_about(listener: socket.socket, identity: ServerIdentity | None, now: datetime) -> Iterator[str]:
    """What the person who starts the server should know about how it can be reached."""
    host = listener.getsockname()[0]
    if identity is None and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        yield (
            "without TLS all that is said crosses the network in the clear, and browsers give no microphone "
            "to pages of other machines; make a certificate with `aura tls self-signed`."
        )
    if identity is not None and identity.ends_soon(now):
        yield f"the certificate expires on {identity.valid_until:%Y-%m-%d}."


async def _introduce(engine: Engine, address: str, demo_tenant: bool, say: Say) -> None:
    """Say where the server is, what is missing, and with which key one gets in."""
    from aura_local.accounts.principal import operator
    from aura_local.demo_tenant import demo_key, ensure_demo_tenant

    say(f"AURA Local listens on {address}; loading the engines ...")
    try:
        await engine.ready()
    except AuraError:
        for status in engine.status():
            if status.message:
                say(f"  {status.job}: {status.message} {status.command}".rstrip())
    secret = await engine.administration.people.setup_link(operator())
    if secret is not None:
        say("This server has no owner yet. Become it within a day, once, with this link:")
        say(f"  {address}/#link={secret}")
    if demo_tenant:
        try:
            await ensure_demo_tenant(
                engine, progress=lambda name, done, total: say(f"  document {done + 1} of {total}: {name}")
            )
        except AuraError as error:
            say(f"  The demo documents could not be read: {error.message}")
        say(f"Open {address}/#key={await demo_key(engine)}")
    else:
        say("Ready. `aura key create --tenant NAME` makes a key.")


def bind(settings: ServerSettings) -> socket.socket:
    """A listening socket. Raises `ConfigurationError` that says what to do when it cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address, family=family)
    except AuraError:
        raise ConfigurationError(f"server.host {settings.host} is not an address of this machine.") from None
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: f"Port {settings.port} is taken: stop its user, or choose another with --port.",
            errno.EACCES: f"Port {settings.port} needs special rights: choose one above 1023 with --port.",
        }
        unknown = f"server.host {settings.host} is not an address of this machine."
        raise ConfigurationError(reasons.get(error.errno or 0, unknown)) from error


def raise_file_limit() -> None:
    """Allow as many open files as the system lets us have; its default of 1,024 is about 70 open tenants."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.contextmanager
def _signals_left_to_server() -> Iterator[None]:
    """uvicorn raises a signal again after it has stopped; by then only our own closing is left to do.

    With the system's handler SIGTERM would end the process before the databases are closed.
    """
    caught = (signal.SIGINT, signal.SIGTERM)
    earlier = {number: signal.signal(number, lambda *_: None) for number in caught}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def server_address(listener: socket.socket, settings: ServerSettings, *, secure: bool) -> str:
    """What to open in a browser on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        host = "127.0.0.1"
    shown = settings.host if settings.host == "localhost" else host
    scheme = "https" if secure else "http"
    return f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"
