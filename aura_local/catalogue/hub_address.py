"""Which addresses a download may use: the hub's, and those that the hub may send it to. Pure. Layer 2."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from aura_local.catalogue.sources import HubSource, ModelFile
from aura_local.errors import ConfigurationError, EgressDenied

DEFAULT_ENDPOINT: Final = "https://huggingface.co"
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Target:
    """What a permit is asked for."""

    host: str
    port: int
    private_allowed: bool
    """The operator named this host, so it may lie in the operator's own network."""


@dataclass(frozen=True, slots=True)
class HubAddress:
    """The hub and the domains it may redirect to. `proxy` carries every request where it is not None."""

    endpoint: str
    storage_hosts: tuple[str, ...] = ()
    proxy: str | None = None

    @classmethod
    def checked(cls, endpoint: str | None, storage_hosts: tuple[str, ...], proxy: str | None) -> HubAddress:
        """Raises ConfigurationError for what can be no hub or no proxy."""
        hub = (endpoint or DEFAULT_ENDPOINT).rstrip("/")
        scheme, host, _ = _parts(hub)
        if not host or scheme not in _PORTS or (scheme == "http" and not is_loopback(host)):
            raise ConfigurationError(
                "downloads.endpoint (or HF_ENDPOINT) must be an https address, for example https://hub.example."
            )
        if proxy is not None and (_parts(proxy)[0] not in _PORTS or not _parts(proxy)[1]):
            raise ConfigurationError("downloads.proxy must be an address such as http://proxy.example:3128.")
        return cls(hub, tuple(domain.lower().lstrip(".*") for domain in storage_hosts), proxy)

    def url(self, source: HubSource, file: ModelFile) -> str:
        path = quote(source.path_of(file))
        return f"{self.endpoint}/{source.repository}/resolve/{source.revision}/{path}"

    def target(self, url: str) -> Target:
        """What has to be reached for `url`. Raises `EgressDenied` where the hub may not send a download."""
        scheme, host, port = _parts(url)
        home_scheme, home, _ = _parts(self.endpoint)
        at_home = host == home
        listed = any(host == domain or host.endswith(f".{domain}") for domain in self.storage_hosts)
        here = is_loopback(home) and is_loopback(host)
        secure = scheme == "https" or (scheme == "http" and home_scheme == "http" and here)
        if not host or not secure or not (at_home or listed or here):
            raise EgressDenied(
                f"The hub sends the download to {scheme}://{host}, which is not allowed; if that is its "
                "storage, add the domain to downloads.storage_hosts."
            )
        if self.proxy is not None:
            _, proxy, proxy_port = _parts(self.proxy)
            return Target(proxy, proxy_port, private_allowed=True)
        named = at_home and self.endpoint != DEFAULT_ENDPOINT
        return Target(host, port, private_allowed=named or here)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parts(url: str) -> tuple[str, str, int]:
    """Scheme, host and port; empty strings and 0 for what is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", "", 0
    return parts.scheme, (parts.hostname or "").rstrip("."), port
