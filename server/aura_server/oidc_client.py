"""Requests to the identity provider, each under an egress permit that is in the audit log first. Layer 5.

A permit resolves the provider's name once and allows its addresses alone, so requests go to an address and
carry the name in the Host header and in the TLS handshake, which checks the certificate against it. The
permit and a small event loop of its own share one worker thread: asyncio's own lookups hold no permit, and
only an event loop can end a request at its deadline, whatever the other side does.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio
import anyio.from_thread
import anyio.to_thread

from aura_local.accounts.identity_provider import DEADLINE_S, ProviderReply, ProviderRequest
from aura_local.accounts.provider_errors import not_available
from aura_local.accounts.provider_metadata import is_loopback
from aura_local.egress_permits import EgressNotice, EgressPermits
from aura_local.errors import EgressDenied

if TYPE_CHECKING:
    import httpx

    from aura_local.audit.chain import AuditLog

PURPOSE: Final = "sign-in by identity provider"

REPLY_BYTES: Final = 256 * 1024
CONNECT_S: Final = 3.0
"""For each address; a name may have one that leads nowhere."""

REQUESTS: Final = 4
"""At once; more wait, within their deadline."""


def audited(log: AuditLog) -> Callable[[EgressNotice], None]:
    """What enters every permit in the audit log when it begins; if that fails, it does not begin.

    For permits that are asked for in `anyio.to_thread`.
    """

    def observe(notice: EgressNotice) -> None:
        if notice.event == "permitted":
            purpose = notice.permit.purpose
            anyio.from_thread.run(_append, log, notice.target, purpose)

    return observe


async def _append(log: AuditLog, target: str, purpose: str) -> None:
    await log.append("server", "egress.permitted", target, purpose=purpose)


class ProviderConnection:
    """Carries requests to the provider; call it with one."""

    def __init__(
        self, permits: EgressPermits, *, private_allowed: bool, deadline_s: float = DEADLINE_S
    ) -> None:
        self._permits = permits
        self._private_allowed = private_allowed
        self._deadline_s = deadline_s
        self._limiter = anyio.CapacityLimiter(REQUESTS)

    async def __call__(self, request: ProviderRequest) -> ProviderReply:
        """The answer, whatever its status. Raises `EngineUnavailable`.

        When it is cancelled the request ends by itself, at its deadline at the latest.
        """
        return await anyio.to_thread.run_sync(
            self._carry, request, limiter=self._limiter, abandon_on_cancel=True
        )

    def _carry(self, request: ProviderRequest) -> ProviderReply:
        parts = urlsplit(request.url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        # Loopback needs no leave of the guard; only a provider that is here itself leads here.
        private_allowed = self._private_allowed or is_loopback(request.url)
        try:
            with self._permits.permit(host, port, PURPOSE, private_allowed=private_allowed) as permit:
                return anyio.run(_send, request, host, permit.addresses, self._deadline_s)
        except (EgressDenied, UnicodeError) as error:  # of the last kind: a name that can be none
            raise not_available("a name that cannot be found, or that is in a private network") from error
        except TimeoutError as error:
            raise not_available("no answer in time") from error


async def _send(
    request: ProviderRequest, host: str, addresses: Sequence[str], deadline_s: float
) -> ProviderReply:
    """Raises `TimeoutError`, and `EngineUnavailable` when no address answers as HTTP says."""
    import httpx

    failed: Exception | None = None
    # The system's authorities, to which an operator can add one; SSL_CERT_FILE names others. Reading them
    # takes 30 ms.
    trusted = ssl.create_default_context() if request.url.startswith("https:") else False
    with anyio.fail_after(deadline_s):
        async with httpx.AsyncClient(
            verify=trusted,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(deadline_s, connect=CONNECT_S),
        ) as client:
            for address in addresses:
                try:
                    return await _send_to(client, request, host, address)
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    failed = error
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    raise not_available("a connection that broke") from error
    raise not_available("no connection, or a certificate that is not trusted") from failed


async def _send_to(
    client: httpx.AsyncClient, request: ProviderRequest, host: str, address: str
) -> ProviderReply:
    import httpx

    url = httpx.URL(request.url)
    # Unpacked, a small answer can be huge: none is asked for, and what comes all the same is not unpacked.
    headers = {**request.headers, "Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
    async with client.stream(
        request.method,
        url.copy_with(host=address),
        headers=headers,
        content=request.body or None,
        extensions={"sni_hostname": host},
    ) as response:
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > REPLY_BYTES:
                raise not_available("an answer that is too large")
        return ProviderReply(response.status_code, bytes(body))
