"""A certificate that this machine signs for itself, for a network without an authority. Layer 5."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aura_local.errors import Conflict, InvalidRequest, StorageUnavailable

if TYPE_CHECKING:
    from cryptography.x509 import GeneralName

CERTIFICATE_FILE: Final = "certificate.pem"
KEY_FILE: Final = "certificate.key"
ALWAYS: Final = ("localhost", "127.0.0.1", "::1")
LONGEST_DAYS: Final = 825
"""Apple's systems trust no certificate for longer, not even one that its user has installed."""
BACKDATED: Final = timedelta(hours=1)
"""For clients whose clock is a little behind."""

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class SelfSigned:
    """A certificate that was made."""

    certificate: Path
    key: Path
    names: tuple[str, ...]
    fingerprint: str
    """SHA-256 of the certificate, as browsers show it."""
    valid_until: datetime


def make_self_signed(
    folder: Path, hosts: Sequence[str], *, days: int, replace: bool, now: datetime | None = None
) -> SelfSigned:
    """Write `certificate.pem` and `certificate.key` (ECDSA P-256, 0600) for these hosts and this machine.

    Raises `InvalidRequest` for a host that is neither a name nor an address and for too many days, `Conflict`
    where the files exist and `replace` is not set, `StorageUnavailable` where they cannot be written.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidRequest(f"A certificate is valid for 1 to {LONGEST_DAYS} days.")
    names = tuple(dict.fromkeys((*(host.strip().lower() for host in hosts), *ALWAYS)))
    alternatives = [_general_name(name) for name in names]
    certificate_path, key_path = folder / CERTIFICATE_FILE, folder / KEY_FILE
    for path in (certificate_path, key_path):
        if path.exists() and not replace:
            raise Conflict(f"{path} exists already; --force replaces it.")
    began = (now or datetime.now(UTC)).replace(microsecond=0)
    until = began + timedelta(days=days)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"AURA Local on {names[0]}"[:64])])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        # Not an authority: whoever trusts it trusts this server and nothing that it might sign.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(key_path, secret, mode=0o600)
        _write(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    except OSError as error:
        raise StorageUnavailable(f"The certificate could not be written to {folder}.") from error
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return SelfSigned(certificate_path, key_path, names, fingerprint, until)


def machine_names() -> list[str]:
    """How other machines of the network may call this one; nothing is looked up."""
    name = socket.gethostname().lower()
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        return []
    return [name] if "." in name else [name, f"{name}.local"]


def _general_name(host: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidRequest("A host is a name such as aura.lan or an address such as 192.168.1.20.")
    return x509.DNSName(host)


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """A new file that takes the old one's place at once and never had wider rights."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    draft.replace(path)
