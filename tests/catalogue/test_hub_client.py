"""The client reaches the hub by its name over TLS, each hop under a permit, and only one command has it."""

from __future__ import annotations

import ast
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import aura_local
from aura_local.catalogue.file_download import FileDownload
from aura_local.catalogue.hub_address import HubAddress
from aura_local.catalogue.hub_client import HubClient
from aura_local.catalogue.sources import HubSource, ModelFile
from aura_local.commands.self_signed import make_self_signed
from aura_local.egress_permits import EgressPermits
from aura_local.errors import DownloadFailed, EgressDenied
from tests.catalogue.made_models import hub_entry
from tests.support.model_hub import ModelHub, Trouble, serving_models

ENTRY = hub_entry("small", {"model.bin": b"weights"})
(FILE,) = ENTRY.files


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_self_signed(tmp_path / "tls", ["hub.example"], days=30, replace=False).certificate


@pytest.fixture
def hub(certificate: Path) -> Iterator[ModelHub]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, next(certificate.parent.glob("*key*")))
    with serving_models({"model.bin": b"weights"}, tls) as served:
        yield served


class World:
    def __init__(self, folder: Path, hub: ModelHub) -> None:
        self.part = folder / "part"
        self.port = urlsplit(hub.address).port
        self.resolved: list[str] = []

    def fetch(
        self, name: str = "hub.example", file: ModelFile = FILE, *, endpoint: str | None = None
    ) -> bytes:
        """Download as if every name were this machine's."""

        def resolve(host: str, port: int) -> list[str]:
            self.resolved.append(host)
            if host == "nowhere.example":
                raise OSError("no such name")
            # The first leads nowhere: nothing listens on its port.
            return ["127.0.0.2", "127.0.0.1"]

        address = HubAddress.checked(endpoint or f"https://{name}:{self.port}", (), None)
        source = ENTRY.source
        assert isinstance(source, HubSource)
        FileDownload(
            client=HubClient(address, EgressPermits(resolve=resolve)),
            url=address.url(source, file),
            file=file,
            part=self.part,
            report=lambda arrived_bytes: None,
            stopped=threading.Event(),
            wait=lambda seconds: None,
        ).run()
        return self.part.read_bytes()


@pytest.fixture
def world(tmp_path: Path, hub: ModelHub) -> World:
    return World(tmp_path, hub)


def test_the_name_is_looked_up_once_for_each_hop_and_kept_in_the_request(
    world: World, hub: ModelHub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert world.fetch() == b"weights"
    assert world.resolved == ["hub.example"] * 2
    assert hub.hosts == [f"hub.example:{world.port}"] * 2


def test_a_certificate_of_nobody_or_of_somebody_else_is_not_trusted(
    world: World, hub: ModelHub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadFailed, match="certificate of the hub"):
        world.fetch()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(DownloadFailed, match="certificate of the hub"):
        world.fetch("other.example")
    assert hub.requests == []


def test_no_network_is_told_as_such(world: World) -> None:
    with pytest.raises(DownloadFailed, match="is there a network"):
        world.fetch("nowhere.example")


def test_the_public_hub_that_resolves_inside_is_not_reached(world: World, hub: ModelHub) -> None:
    with pytest.raises(EgressDenied, match="private network"):
        world.fetch(endpoint="https://huggingface.co")
    assert hub.requests == []


def test_a_file_of_unknown_size_has_a_limit(
    world: World, hub: ModelHub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    unknown = ModelFile(name="model.bin", sha256="pinned on first download")
    assert world.fetch(file=unknown) == b"weights"
    hub.always["model.bin"] = Trouble(length=33 * 1024 * 1024, silent=True)
    world.part.unlink()
    with pytest.raises(DownloadFailed, match="bytes instead of"):
        world.fetch(file=unknown)
    assert not world.part.exists()


def test_only_the_command_that_pulls_has_a_client() -> None:
    """Neither the engine nor the server can download: nothing of theirs imports what could."""
    clients = {"hub_client", "file_download", "pulling"}
    importers = set()
    root = Path(aura_local.__file__).parent
    for path in [*root.rglob("*.py"), *(root.parent / "server").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").rpartition(".")[2] in clients:
                importers.add(path.stem)
    assert importers == {"file_download", "pull_plan", "pulling", "models_pull"}
    importers_of_plan = {
        path.stem for path in root.rglob("*.py") if "catalogue.pull_plan import" in path.read_text("utf-8")
    }
    assert importers_of_plan == {"importing", "pulling", "models_pull", "models_convert"}
