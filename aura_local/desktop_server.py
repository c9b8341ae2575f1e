"""The server of `aura talk --server`: its address, the way to it, and what is wrong with it. Layer 5.

The operator names the server, so it may lie in the operator's own network; it is reached under an egress
permit of its own. Speech and the key cross a network encrypted or not at all.
"""

from __future__ import annotations

import ipaddress
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio

from aura_local.egress_permits import EgressPermits
from aura_local.errors import AuraError, ConfigurationError, EgressDenied, EngineUnavailable

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

PURPOSE: Final = "conversation with a server"
VOICE_PATH: Final = "/ws/voice/continuous"
OPEN_S: Final = 5.0
"""For each address of the server, the handshake included."""
GOODBYE_S: Final = 1.0
PING_S: Final = 5.0
"""A cable that is pulled says nothing: after two of these without an answer the connection is lost."""
UNREACHABLE: Final = "server_unreachable"

_SCHEMES: Final = {"http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server listens."""

    url: str
    """Of the voice socket: `ws://` or `wss://`."""
    host: str
    port: int

    @classmethod
    def checked(cls, text: str) -> ServerAddress:
        """Understand what was typed after `--server`. Raises `ConfigurationError`."""
        try:
            parts = urlsplit(text)
            scheme, host, port = _SCHEMES.get(parts.scheme, ""), parts.hostname or "", parts.port
        except ValueError:
            scheme, host, port = "", "", None
        if not scheme or not host or parts.query or parts.fragment or parts.username is not None:
            raise ConfigurationError("--server takes an address such as https://aura.example:8765.")
        if scheme == "ws" and not _is_loopback(host):
            raise ConfigurationError(
                "Speech and the key would cross the network unencrypted: give an https:// address (on the "
                "server, `aura serve --tls-cert --tls-key`)."
            )
        path = parts.path.rstrip("/").removesuffix(VOICE_PATH)
        netloc = parts.netloc
        return cls(f"{scheme}://{netloc}{path}{VOICE_PATH}", host, port or (443 if scheme == "wss" else 80))


class TalkServer:
    """Opens connections to one server; made by `reach`."""

    def __init__(self, address: ServerAddress, addresses: tuple[str, ...]) -> None:
        self.address = address
        self._addresses = addresses
        # The system's authorities, to which an operator can add one; SSL_CERT_FILE names others.
        self._trusted = ssl.create_default_context() if address.url.startswith("wss:") else None
        # In its debug log websockets repeats what is sent, the key with it.
        self._logger = logging.getLogger("aura_local.desktop_server.websockets")
        self._logger.setLevel(logging.WARNING)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ClientConnection]:
        """One connection, which says goodbye at the end of the block.

        Raises `EngineUnavailable`; its code is `server_unreachable` where another attempt may succeed.
        """
        connection = await self._open()
        try:
            yield connection
        finally:
            # Also when the conversation is cancelled: without a goodbye the server would wait for us.
            with anyio.move_on_after(GOODBYE_S, shield=True):
                await connection.close()

    async def _open(self) -> ClientConnection:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

        failed: Exception | None = None
        for address in self._addresses:
            try:
                # By number: asyncio looks names up on threads that hold no permit. The name stays in the
                # Host header and in the TLS handshake, which checks the certificate against it.
                return await connect(
                    self.address.url,
                    host=address,
                    port=self.address.port,
                    ssl=self._trusted,
                    proxy=None,
                    compression=None,
                    open_timeout=OPEN_S,
                    close_timeout=GOODBYE_S,
                    ping_interval=PING_S,
                    ping_timeout=PING_S,
                    user_agent_header="aura-local",
                    logger=self._logger,
                )
            except ssl.SSLCertVerificationError as error:
                raise EngineUnavailable(
                    "The certificate of the server is not trusted; to trust its authority, name its file in "
                    "SSL_CERT_FILE."
                ) from error
            except InvalidStatus as error:
                status = error.response.status_code
                if status in (502, 503, 504):  # a proxy before a server that is away
                    failed = error
                    continue
                raise EngineUnavailable(
                    f"{self._place} refuses the connection (HTTP {status}); is this the address of an AURA "
                    "server?"
                ) from error
            except (ssl.SSLError, InvalidHandshake, WebSocketException) as error:
                if isinstance(error.__cause__, (EOFError, ConnectionError)):  # it went away in between
                    failed = error
                    continue
                raise EngineUnavailable(
                    f"What answers at {self._place} is no AURA server, or speaks "
                    f"{'http' if self._trusted else 'https'} and not "
                    f"{'https' if self._trusted else 'http'}."
                ) from error
            except OSError as error:  # a deadline is one too
                failed = error
        if isinstance(failed, OSError):
            sentence = f"No server answers at {self._place}; is it running, and is this its address?"
        else:
            other = "http" if self._trusted else "https"
            sentence = (
                f"What listens at {self._place} ends every connection; does it speak {other}, or just start?"
            )
        raise EngineUnavailable(sentence, code=UNREACHABLE, retryable=True) from failed

    @property
    def _place(self) -> str:
        return f"{self.address.host}:{self.address.port}"


@contextmanager
def reach(address: ServerAddress, permits: EgressPermits) -> Iterator[TalkServer]:
    """Leave to talk with a server until the end of the block. Blocks while its name is looked up.

    Raises `EngineUnavailable` for a name that cannot be found.
    """
    try:
        permit = permits.permit(address.host, address.port, PURPOSE, private_allowed=True)
        with permit as held:
            yield TalkServer(address, held.addresses)
    except EgressDenied as error:
        if not isinstance(error.__cause__, (OSError, UnicodeError)):
            raise
        raise _unknown(address) from error
    except UnicodeError as error:  # a name that can be none
        raise _unknown(address) from error


def _unknown(address: ServerAddress) -> AuraError:
    return EngineUnavailable(f"The server {address.host} cannot be found: no such name.", code=UNREACHABLE)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
