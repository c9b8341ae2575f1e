"""Which profile suits a machine, and why. Pure: takes what was measured, profiles and models. Layer 2.

A profile suits where the machine is of its size (`cores` and `memory_gb` of `models/profiles.toml`, the sizes
that its models were chosen for) and where, at the moment, what its models take is free in memory and on disk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.profiles import Profile
from aura_local.machine import MachineFacts

BASE_MEMORY_BYTES: Final = 250_000_000
"""The program itself, its databases and buffers, without any model."""

NOMINAL_SHARE: Final = 0.85
"""Of the gigabytes on the label a system shows this much: firmware, graphics and the kernel have the rest."""

_GIB: Final = 1024**3


@dataclass(frozen=True, slots=True)
class ProfileAdvice:
    """`profile` and `command` are None where no profile suits, `command` also where all models are here."""

    profile: str | None
    why: str
    """One or two sentences."""
    command: str | None
    memory_bytes: int = 0
    """What the models and the program take, by the catalogue."""
    download_bytes: int = 0
    """Of the models that are not here yet."""


@dataclass(frozen=True, slots=True)
class _Costs:
    memory_bytes: int
    download_bytes: int


def advise_profile(
    machine: MachineFacts,
    profiles: Mapping[str, Profile],
    entries: Iterable[ModelEntry],
    installed: Collection[str],
    *,
    gpu_engines: bool,
    reserve_bytes: int = 0,
) -> ProfileAdvice:
    """The largest profile that suits.

    `profiles` are smallest first, `installed` names the models that are here, `gpu_engines` says whether the
    engines here compute on a GPU, and `reserve_bytes` stay free on the disk.
    """
    by_name = {entry.name: entry for entry in entries}
    unfit = ""
    for name, profile in reversed(list(profiles.items())):
        models = [by_name[model] for model in profile.models.values()]
        costs = _Costs(
            memory_bytes=BASE_MEMORY_BYTES + sum(model.memory_bytes for model in models),
            download_bytes=sum(model.size_bytes for model in models if model.name not in installed),
        )
        lack = _lack_of_size(machine, profile, gpu_engines=gpu_engines)
        lack = lack or _lack_of_room(machine, costs, reserve_bytes)
        if not lack:
            return ProfileAdvice(
                profile=name,
                why=" ".join(filter(None, (_reason(machine, name, profile, costs), unfit))),
                command=f"aura models pull --profile {name}" if costs.download_bytes else None,
                memory_bytes=costs.memory_bytes,
                download_bytes=costs.download_bytes,
            )
        # What the next larger profile lacks; of a GPU only where there is one at all.
        if profile.gpu_memory_gb is None or machine.gpus:
            unfit = f"`{name}` {lack}."
    return ProfileAdvice(
        profile=None,
        why=f"This machine is too small for every profile: {unfit} The models that ship work without them.",
        command=None,
    )


def _lack_of_size(machine: MachineFacts, profile: Profile, *, gpu_engines: bool) -> str:
    """What the machine is too small in, as the end of a sentence; empty where it is large enough."""
    if profile.gpu_memory_gb is not None:
        if _gpu_bytes(machine) < profile.gpu_memory_gb * NOMINAL_SHARE * _GIB:
            return f"is for a GPU with {profile.gpu_memory_gb} GB, and it has {_gb(_gpu_bytes(machine))}"
        if not gpu_engines:
            return "is for a GPU, and the engines installed here compute on the processor alone"
    if machine.cores < profile.cores:
        return f"is for {profile.cores} cores, and {machine.cores} can be used"
    if machine.memory_bytes < profile.memory_gb * NOMINAL_SHARE * _GIB:
        return f"is for {profile.memory_gb} GB of memory, and there are {_gb(machine.memory_bytes)}"
    return ""


def _lack_of_room(machine: MachineFacts, costs: _Costs, reserve_bytes: int) -> str:
    """What is not free at the moment, as the end of a sentence; empty where enough is."""
    available = machine.memory_available_bytes
    if available is not None and available < costs.memory_bytes:
        return f"takes about {_gb(costs.memory_bytes)} of memory, and {_gb(available)} are free at the moment"
    free = max(0, machine.disk_free_bytes - reserve_bytes)
    if free < costs.download_bytes:
        return f"takes {_gb(costs.download_bytes)} on the disk, and {_gb(free)} are free"
    return ""


def _reason(machine: MachineFacts, name: str, profile: Profile, costs: _Costs) -> str:
    has = f"{machine.cores} cores and {_gb(machine.memory_bytes)} of memory"
    if profile.gpu_memory_gb is not None:
        has = f"A GPU with {_gb(_gpu_bytes(machine))}, {has}"
    download = f" and a download of {_gb(costs.download_bytes)}" if costs.download_bytes else ""
    return f"{has} suffice for `{name}`, which takes about {_gb(costs.memory_bytes)} of memory{download}."


def _gpu_bytes(machine: MachineFacts) -> int:
    """Of the largest; models are not spread over several."""
    return max((gpu.memory_bytes for gpu in machine.gpus), default=0)


def _gb(count_bytes: int) -> str:
    return f"{count_bytes / 1e9:.1f} GB"
