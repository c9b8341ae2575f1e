"""The dependency rule: a file imports only from lower layers, its own folder, or its layer's single files.

Read from the syntax tree, imports inside functions and for type checking included.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FILES = {
    0: "__init__ errors settings settings_section settings_sources sign_in_settings tiers ports generation "
    "lanes cores fair_queue egress machine control_socket "
    "egress_permits egress_record confinement metrics logs data_files freed_memory isolation "
    "isolation_worker",
    4: "engine engine_room engine_choice engine_in_use engine_status lent_engines model_use settings_line "
    "data_home passphrase indexing_queue session_metrics "
    "session_allowance grounded_retrieval demo_tenant",
    5: "desktop desktop_audio desktop_devices desktop_ears desktop_microphone desktop_playback "
    "desktop_remote desktop_replies desktop_server desktop_wire",
}
"""Single files directly in `aura_local`, by layer."""

FOLDERS = {
    0: "audio",
    1: "storage",
    2: "accounts metering retrieval routing conversation catalogue audit",
    3: "adapters administration",
    4: "bundle benchmark evaluation",
    5: "commands",
}

LAYER = {
    **{name: layer for layer, names in FILES.items() for name in names.split()},
    **{name: layer for layer, names in FOLDERS.items() for name in names.split()},
}
SERVER = "aura_server"
WEB_PACKAGES = frozenset({"starlette", "uvicorn", "websockets"})
CLIENTS = {name: frozenset({"websockets"}) for name in ("benchmark", "desktop_remote", "desktop_server")}
"""Folders and single files that talk to a server from outside, and what they talk with."""


@dataclass(frozen=True)
class Place:
    """Where a module stands: its layer, and the folder it lives in (empty for single files)."""

    layer: int
    folder: str


def place_of(module: str) -> Place:
    parts = module.split(".")
    if parts[0] == SERVER:
        return Place(5, SERVER)
    name = parts[1] if len(parts) > 1 else "__init__"
    assert name in LAYER, f"{module}: add {name} to the layer it belongs to, at the top of this file"
    layer = LAYER[name]
    return Place(layer, name if name in FOLDERS[layer].split() else "")


def allowed(importer: Place, imported: Place) -> bool:
    if imported.layer == importer.layer:
        return imported.folder in ("", importer.folder)
    if importer.folder == "adapters":
        return imported.layer == 0
    return imported.layer < importer.layer


def imports_of(source: str, package: str) -> Iterator[str]:
    """Full names of the modules a file imports; `package` resolves relative imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            )
            module = ".".join(filter(None, [base, node.module or ""]))
            # `from aura_local import engine` imports a module as well as a name.
            yield from (
                f"{module}.{alias.name}" if module in ("aura_local", SERVER) else module
                for alias in node.names
            )


def source_files() -> dict[str, Path]:
    """Our files by module name."""
    found: dict[str, Path] = {}
    for root in (ROOT, ROOT / "server"):
        for package in ("aura_local", SERVER):
            for path in sorted((root / package).rglob("*.py")):
                name = ".".join(path.relative_to(root).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = path
    return found


MODULES = source_files()


def violations(module: str, source: str) -> list[str]:
    here = place_of(module)
    wrong: list[str] = []
    for name in imports_of(source, module.rpartition(".")[0]):
        top = name.split(".")[0]
        client = CLIENTS.get(here.folder or module.rpartition(".")[2], frozenset())
        if top in WEB_PACKAGES - client and here.folder != SERVER:
            wrong.append(f"{module} imports {name}: only {SERVER} speaks HTTP")
        if top not in ("aura_local", SERVER):
            continue
        parts = name.split(".")
        # What is imported from the package itself is one of its names, such as __version__.
        if parts[0] == "aura_local" and len(parts) > 1 and parts[1] not in LAYER:
            if f"aura_local.{parts[1]}" in MODULES:
                wrong.append(f"{module} imports {name}, which no layer lists")
            continue
        there = place_of(name)
        if not allowed(here, there):
            wrong.append(f"{module} (layer {here.layer}) imports {name} (layer {there.layer})")
        if there.folder == "adapters" and here.folder != "adapters" and parts[2:3] != ["registry"]:
            wrong.append(f"{module} imports the adapter {name}: only the registry opens adapters")
    return wrong


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_file_obeys_the_rule(module: str) -> None:
    assert violations(module, MODULES[module].read_text(encoding="utf-8")) == []


def test_the_whole_package_is_read() -> None:
    assert {"aura_local.errors", "aura_local.commands.ask", "aura_server.__main__"} <= MODULES.keys()


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("aura_local.ports", "from aura_local.storage.keys import MasterKey"),
        ("aura_local.retrieval.retriever", "import aura_local.conversation.events"),
        ("aura_local.conversation.reply", "def late():\n    from aura_local import engine"),
        ("aura_local.adapters.piper_voice", "from aura_local.storage.database import Database"),
        ("aura_local.engine", "from aura_local.adapters.piper_voice import open_adapter"),
        ("aura_local.engine", "from aura_local.benchmark.sample_clock import SampleClock"),
        ("aura_local.benchmark.one", "from aura_local.evaluation.two import three"),
        ("aura_local.commands.ask", "from aura_server.app import create_app"),
        ("aura_local.metrics", "import starlette.responses"),
        ("aura_local.storage.keys", "from ..engine import Engine"),
    ],
)
def test_the_rule_bites(module: str, source: str) -> None:
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("aura_local.benchmark.one", "from aura_local.engine import Engine"),
        ("aura_local.commands.talk", "from aura_local.desktop import converse"),
        ("aura_local.engine_room", "from aura_local.adapters.registry import open_adapter"),
        ("aura_server.app", "import starlette\nfrom aura_local import __version__"),
        ("aura_local.storage.keys", "from .durable_files import sync_folder"),
    ],
)
def test_what_the_rule_allows(module: str, source: str) -> None:
    assert violations(module, source) == []
