"""Requests to a hub, each hop of a redirect under an egress permit of its own. Layer 2.

The client blocks: call it in `anyio.to_thread`. Connections are not kept between requests, for one would
outlive the permit it was made under.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from aura_local.catalogue.hub_address import HubAddress
from aura_local.egress_permits import EgressPermits
from aura_local.errors import DownloadFailed, EgressDenied

if TYPE_CHECKING:
    import httpx

PURPOSE: Final = "model download"
MOST_REDIRECTS: Final = 5
CONNECT_S: Final = 10.0
SILENCE_S: Final = 30.0
"""Without a byte for so long a connection counts as cut."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class HubAnswer:
    """The answer behind all redirects, its body unread.

    `linked_digest` and `linked_bytes` are what the hub says about the file before it redirects
    (`X-Linked-Etag` of a large file is its SHA-256); None where it says nothing.
    """

    response: httpx.Response
    linked_digest: str | None
    linked_bytes: int | None


class HubClient:
    """May be used by several threads at once."""

    def __init__(self, address: HubAddress, permits: EgressPermits) -> None:
        self.address = address
        self._permits = permits
        for name in ("httpx", "httpcore"):  # they log addresses, which redirects sign
            logging.getLogger(name).setLevel(logging.WARNING)

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str]) -> Iterator[HubAnswer]:
        """Raises `EgressDenied`, `DownloadFailed` for a redirect that leads nowhere, and httpx's errors."""
        digest: str | None = None
        size_bytes: int | None = None
        for _ in range(MOST_REDIRECTS + 1):
            with ExitStack() as stack:
                response = self._one(stack, url, headers)
                digest = digest or _digest(response.headers.get("x-linked-etag", ""))
                size_bytes = size_bytes or _number(response.headers.get("x-linked-size", ""))
                if response.status_code not in _REDIRECTS:
                    yield HubAnswer(response, digest, size_bytes)
                    return
                location = response.headers.get("location", "")
            if not location:
                raise DownloadFailed("The hub redirects without saying where.", retryable=False)
            url = urljoin(url, location)
        raise DownloadFailed(f"The hub redirects more than {MOST_REDIRECTS} times.", retryable=False)

    def _one(self, stack: ExitStack, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """The answer of one hop, from the first of the permitted addresses that answers."""
        import httpx

        target = self.address.target(url)
        permit = self._permits.permit(
            target.host, target.port, PURPOSE, private_allowed=target.private_allowed
        )
        try:
            addresses = stack.enter_context(permit).addresses
        except EgressDenied as error:
            if isinstance(error.__cause__, OSError):  # not refused: the name could not be looked up
                raise httpx.ConnectError(f"{target.host} cannot be found") from error
            raise
        client = stack.enter_context(
            httpx.Client(
                verify=self._trusted if url.startswith("https:") else False,
                trust_env=False,
                follow_redirects=False,
                proxy=self.address.proxy,
                timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S),
            )
        )
        # Unpacked, a small answer can be huge, and ranges are counted in packed bytes.
        asked = {**headers, "Accept-Encoding": "identity", "User-Agent": "aura-local"}
        if self.address.proxy is not None:
            return stack.enter_context(client.stream("GET", url, headers=asked))
        # A storage's name has other addresses at every look-up, so it is looked up once, by the permit; the
        # name is in the Host header and in the TLS handshake, which checks the certificate against it.
        whole = httpx.URL(url)
        asked["Host"] = whole.netloc.decode("ascii")
        failure: httpx.TransportError = httpx.ConnectError(f"{target.host} has no address")
        for address in addresses:
            request = client.stream(
                "GET",
                whole.copy_with(host=address),
                headers=asked,
                extensions={"sni_hostname": target.host},
            )
            try:
                return stack.enter_context(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise DownloadFailed(
                        "The certificate of the hub or its storage is not trusted; to trust its authority, "
                        "name its file in SSL_CERT_FILE.",
                        retryable=False,
                    ) from error
                failure = error
        raise failure

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        """The system's authorities, to which an operator can add one; SSL_CERT_FILE names others."""
        return ssl.create_default_context()


def _digest(tag: str) -> str | None:
    plain = tag.removeprefix("W/").strip('"').lower()
    return plain if len(plain) == 64 and set(plain) <= set("0123456789abcdef") else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
