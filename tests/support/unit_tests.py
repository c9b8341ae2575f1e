"""`pytest --unit`: the tests that need this process alone, for every change of a line. A pytest plugin.

Left out are the tests with a marker of `requirements.NEEDS` (engines, a browser, rights) and the places
below, which serve on sockets or start processes: servers, commands, workers for foreign files. What remains
may start none: the first attempt fails its test.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.requirements import NEEDS

LEFT_OUT: Final = (
    "benchmark",
    "commands",
    "contract",
    "docs",
    "e2e",
    "kiosk",
    "reference",
    "server",
    "ui",
    "audio/test_decode.py",
    "bundle/test_installing.py",
    "catalogue/test_damaged_models.py",
    "catalogue/test_interrupted_pulls.py",
    "catalogue/test_store.py",
    "evaluation/test_answer_evaluation.py",
    "evaluation/test_baselines.py",
    "evaluation/test_retrieval_evaluation.py",
    "retrieval/test_access_classes.py",
    "retrieval/test_document_versions.py",
    "retrieval/test_formats.py",
    "retrieval/test_images.py",
    "retrieval/test_ingestion.py",
    "retrieval/test_parsing.py",
    "retrieval/test_pdf_layout.py",
    "retrieval/test_reading_again.py",
    "retrieval/test_reading_limits.py",
    "retrieval/test_scanned_pages.py",
    "retrieval/test_vector_index.py",
    "storage/test_durability.py",
    "storage/test_key_rotation.py",
    "storage/test_killed_upgrades.py",
    "storage/test_open_tenant_cost.py",
    "storage/test_sealed_key.py",
    "support/test_requirements.py",
    "test_data_home.py",
    "test_demo_tenant.py",
    "test_desktop.py",
    "test_desktop_remote.py",
    "test_desktop_server.py",
    "test_egress.py",
    "test_engine.py",
    "test_fair_queue.py",
    "test_freed_memory.py",
    "test_import.py",
    "test_indexing_queue.py",
    "test_isolation.py",
    "test_machine.py",
    "test_scripts.py",
)
"""Below `tests/`. A new test that starts a process or takes seconds is added here."""

_STARTS: Final = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec"})
TESTS: Final = Path(__file__).resolve().parents[1]


def is_unit(path: Path, markers: set[str]) -> bool:
    """Whether a test with these markers, in the file `path`, needs this process alone."""
    below = path.relative_to(TESTS).as_posix()
    return not (markers & NEEDS.keys()) and not any(
        below == left_out or below.startswith(f"{left_out}/") for left_out in LEFT_OUT
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--unit", action="store_true", help="only tests that need this process alone")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--unit"):
        sys.addaudithook(_refuse_processes)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # First, so that what is left out here is not counted as lacking.
    if not config.getoption("--unit"):
        return
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        unit = is_unit(item.path, {marker.name for marker in item.iter_markers()})
        (kept if unit else dropped).append(item)
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


def _refuse_processes(event: str, _arguments: tuple[object, ...]) -> None:
    if event in _STARTS:
        raise RuntimeError("A unit test starts no process: add its file to tests/support/unit_tests.py.")
