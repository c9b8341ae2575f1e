"""Which profile a machine is advised to take, with the profiles and figures that ship."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from aura_local.catalogue.manifest import shipped_catalogues
from aura_local.catalogue.profile_advice import ProfileAdvice, advise_profile
from aura_local.catalogue.profiles import models_of, shipped_profiles
from aura_local.machine import Gpu, MachineFacts

GIB = 1024**3
ENTRIES = shipped_catalogues()
SHIPPED = {"silero-vad-v6", "all-MiniLM-L6-v2"}


@dataclass(frozen=True)
class Case:
    name: str
    cores: int
    memory_gib: float
    """As the system shows it: less than what is on the label."""
    profile: str | None
    why: str
    available_gib: float | None = None
    disk_gib: float = 100
    gpu_gib: float | None = None
    gpu_engines: bool = False


CASES = [
    Case("a board with 2 GB", 4, 1.85, "tiny", "`small` is for 4 GB of memory", available_gib=1.5),
    Case("the same, busy", 4, 1.85, None, "too small for every profile", available_gib=0.9),
    Case("a board with 4 GB", 4, 3.7, "small", "`balanced` is for 8 GB of memory"),
    Case("one core", 1, 16, None, "`tiny` is for 2 cores, and 1 can be used"),
    Case("two fast cores", 2, 31, "small", "`balanced` is for 4 cores, and 2 can be used"),
    Case("a small server", 4, 7.6, "balanced", "`best` is for 8 cores"),
    Case("many cores, little memory", 16, 7.6, "balanced", "`best` is for 16 GB of memory"),
    Case("a laptop", 8, 15.3, "best", "8 cores and 16.4 GB of memory suffice for `best`"),
    Case("a laptop in use", 8, 15.3, "balanced", "4.0 GB are free at the moment", available_gib=3.75),
    Case("a full disk", 8, 15.3, "small", "`balanced` takes 1.7 GB on the disk", disk_gib=1.5),
    Case("a GPU and engines for it", 8, 31, "gpu", "A GPU with 25.8 GB", gpu_gib=24, gpu_engines=True),
    Case("a GPU that the engines do not use", 8, 31, "best", "on the processor alone", gpu_gib=24),
    Case("a small GPU", 8, 31, "best", "`gpu` is for a GPU with 12 GB", gpu_gib=8, gpu_engines=True),
    Case("memory that is not told", 8, 31, "best", "suffice for `best`", available_gib=None),
]


def advice_for(case: Case, installed: set[str] = SHIPPED, reserve_bytes: int = 0) -> ProfileAdvice:
    available = case.available_gib
    machine = MachineFacts(
        cores=case.cores,
        memory_bytes=int(case.memory_gib * GIB),
        memory_available_bytes=None if available is None else int(available * GIB),
        disk_free_bytes=int(case.disk_gib * GIB),
        gpus=() if case.gpu_gib is None else (Gpu("Card", int(case.gpu_gib * GIB)),),
    )
    return advise_profile(
        machine,
        shipped_profiles(),
        ENTRIES,
        installed,
        gpu_engines=case.gpu_engines,
        reserve_bytes=reserve_bytes,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_largest_profile_that_suits_is_named_with_its_reason(case: Case) -> None:
    advice = advice_for(case)
    assert (advice.profile, case.why in advice.why) == (case.profile, True), advice.why
    expected = None if case.profile is None else f"aura models pull --profile {case.profile}"
    assert advice.command == expected
    if case.gpu_gib is None:
        assert "GPU" not in advice.why, "nobody without one is told about it"


def test_memory_is_that_of_the_models_and_the_program() -> None:
    advice = advice_for(CASES[7])
    models = models_of("best", ENTRIES)
    assert advice.memory_bytes == 250_000_000 + sum(model.memory_bytes for model in models)
    downloads = [model.size_bytes for model in models if model.name not in SHIPPED]
    assert advice.download_bytes == sum(downloads)


def test_what_is_here_needs_neither_disk_nor_download() -> None:
    case = Case("a full disk", 4, 7.6, "balanced", "", disk_gib=0)
    names = {model.name for model in models_of("balanced", ENTRIES)}
    advice = advice_for(case, names)
    assert (advice.profile, advice.command, advice.download_bytes) == ("balanced", None, 0)
    assert "download" not in advice.why


def test_the_reserve_stays_free() -> None:
    case = Case("just enough", 4, 7.6, "balanced", "", disk_gib=2)
    assert advice_for(case).profile == "balanced"
    assert advice_for(case, reserve_bytes=GIB).profile == "tiny"
