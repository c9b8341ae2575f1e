"""`aura tls self-signed`: what it writes, prints and refuses."""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.commands.invoking import Aura


def test_a_certificate_for_the_names_that_were_asked_for(aura: Aura, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = aura.json(
        "tls", "self-signed", "--host", "aura.lan", "--host", "10.0.0.7", "--days", "30", "--out", str(out)
    )
    assert made["names"] == ["aura.lan", "10.0.0.7", "localhost", "127.0.0.1", "::1"]
    certificate = x509.load_pem_x509_certificate((out / "certificate.pem").read_bytes())
    key = load_pem_private_key((out / "certificate.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert key.public_key() == certificate.public_key()
    assert made["fingerprint"] == certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 30
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca, "whoever trusts it would trust everything it signs"
    assert stat.S_IMODE((out / "certificate.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in out.iterdir()) == ["certificate.key", "certificate.pem"]


def test_what_is_printed_tells_how_to_serve_and_to_trust(aura: Aura) -> None:
    printed = aura("tls", "self-signed").stdout
    folder = aura.home.parent / "keys" / "tls"
    assert f"--tls-cert {folder / 'certificate.pem'} --tls-key {folder / 'certificate.key'}" in printed
    assert "SHA-256:" in printed
    assert "Keychain Access" in printed
    assert "PRIVATE KEY" not in printed


def test_a_certificate_is_only_replaced_when_told_so(aura: Aura) -> None:
    first = aura.json("tls", "self-signed")
    refused = aura.json("tls", "self-signed", code=1)
    assert refused["error"]["code"] == "conflict"
    assert "--force" in refused["error"]["message"]
    assert Path(first["key"]).read_bytes()
    second = aura.json("tls", "self-signed", "--force")
    assert second["fingerprint"] != first["fingerprint"]
    assert stat.S_IMODE(Path(second["key"]).stat().st_mode) == 0o600


def test_a_key_without_its_certificate_is_not_replaced_either(aura: Aura) -> None:
    made = aura.json("tls", "self-signed")
    Path(made["certificate"]).unlink()
    before = Path(made["key"]).read_bytes()
    aura("tls", "self-signed", code=1)
    assert Path(made["key"]).read_bytes() == before


def test_hosts_and_days_that_make_no_sense(aura: Aura) -> None:
    for host in ("*.lan", "http://aura.lan", "a b", "-a", "", "a" * 64, "10.0.0.7/24"):
        assert "a name such as" in aura("tls", "self-signed", "--host", host, code=2).stderr
    for days in ("0", "826"):
        assert "1 to 825 days" in aura("tls", "self-signed", "--days", days, code=2).stderr
    assert not (aura.home.parent / "keys" / "tls").exists()


def test_a_folder_that_cannot_be_written(aura: Aura, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused = aura("tls", "self-signed", "--out", str(tmp_path / "file" / "deep"), code=1)
    assert "could not be written" in refused.stderr
