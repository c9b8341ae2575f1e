"""The certificate the server shows: checked before it is used, so that a wrong one is told at once.

Layer 5.
"""

from __future__ import annotations

import asyncio.constants
import os
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aura_local.errors import ConfigurationError
from aura_local.settings import ServerSettings

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

ENDS_SOON: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """Who the server proves to be."""

    context: ssl.SSLContext = field(repr=False)
    names: tuple[str, ...]
    """Hosts the certificate is for, as a Host header writes them, in small letters; no wildcards."""
    self_signed: bool
    """Browsers only trust it where somebody told them to."""
    valid_until: datetime
    """UTC."""

    def ends_soon(self, now: datetime) -> bool:
        return self.valid_until - now < ENDS_SOON


def load_identity(settings: ServerSettings, now: datetime | None = None) -> ServerIdentity | None:
    """The certificate and key that the settings name, or None where they name none.

    Raises `ConfigurationError` for files that cannot be read or are no PEM, a certificate that is expired or
    not valid yet, a key that is encrypted, belongs to another certificate, or can be read by others.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    certificate = _certificate(settings.tls_cert)
    _check_time(certificate, settings.tls_cert, now or datetime.now(UTC))
    _check_key(certificate, settings.tls_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"server.tls_cert {settings.tls_cert} cannot be used for TLS.") from error
    return ServerIdentity(
        context,
        _names(certificate),
        certificate.issuer == certificate.subject,
        certificate.not_valid_after_utc,
    )


@contextmanager
def handshakes_within(deadline_s: float) -> Iterator[None]:
    """Give a TLS handshake, and the goodbye at its end, `deadline_s` instead of asyncio's 60 and 30 s.

    uvicorn passes neither on, so the defaults of the whole process are set.
    """
    constants = asyncio.constants
    earlier = constants.SSL_HANDSHAKE_TIMEOUT, constants.SSL_SHUTDOWN_TIMEOUT
    constants.SSL_HANDSHAKE_TIMEOUT = constants.SSL_SHUTDOWN_TIMEOUT = deadline_s
    try:
        yield
    finally:
        constants.SSL_HANDSHAKE_TIMEOUT, constants.SSL_SHUTDOWN_TIMEOUT = earlier


def _certificate(path: Path) -> Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(_read(path, "server.tls_cert"))[0]
    except ValueError as error:
        raise ConfigurationError(f"server.tls_cert {path} is not a certificate in PEM format.") from error


def _check_time(certificate: Certificate, path: Path, now: datetime) -> None:
    if certificate.not_valid_after_utc <= now:
        ended = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        raise ConfigurationError(
            f"The certificate {path} expired on {ended}: renew it, or make another with "
            "`aura tls self-signed --force`."
        )
    if certificate.not_valid_before_utc > now:
        begins = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise ConfigurationError(f"The certificate {path} is valid from {begins} on: is the clock right?")


def _check_key(certificate: Certificate, path: Path) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path, "server.tls_key")
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigurationError(f"Other users can read the key {path}: `chmod 600` it.")
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise ConfigurationError(
            f"The key {path} is encrypted; the server starts without anyone to type its passphrase."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"server.tls_key {path} is not a private key in PEM format.") from error
    if key.public_key() != certificate.public_key():
        raise ConfigurationError(f"The key {path} does not belong to the certificate of server.tls_cert.")


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{setting} {path} cannot be read.") from error


def _names(certificate: Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    names = [name.lower() for name in listed.get_values_for_type(x509.DNSName) if "*" not in name]
    for address in listed.get_values_for_type(x509.IPAddress):
        names.append(f"[{address}]" if address.version == 6 else str(address))
    return tuple(names)
