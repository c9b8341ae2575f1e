"""What `aura models list` shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aura_local.commands.output import print_json, print_table

if TYPE_CHECKING:
    from aura_local.catalogue.profiles import Profile
    from aura_local.catalogue.store import ModelStatus


def show_models(statuses: Iterable[ModelStatus], profiles: Mapping[str, Profile], *, as_json: bool) -> None:
    """All models with what they cost and what they are good for."""
    shown = [_fields(status, profiles) for status in statuses]
    if as_json:
        print_json({"models": shown})
        return
    print_table(
        ("name", "job", "state", "size", "memory", "licence", "languages", "profiles", "note"),
        [
            (
                model["name"],
                model["job"].replace("_", " "),
                model["state"],
                megabytes(model["size_bytes"]),
                ("~" if model["memory_estimated"] else "") + megabytes(model["memory_bytes"]),
                model["licence"],
                " ".join(model["languages"]),
                " ".join(model["profiles"]),
                _note(model),
            )
            for model in shown
        ],
    )


def megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB" if size_bytes >= 1_000_000 else f"{size_bytes / 1e3:,.0f} kB"


def _fields(status: ModelStatus, profiles: Mapping[str, Profile]) -> dict[str, Any]:
    entry = status.entry
    named = ("name", "job", "engine", "description", "licence", "licence_notice", "licence_acceptance")
    measured = ("memory_bytes", "memory_estimated", "size_bytes", "speed", "good_for", "context_tokens")
    return {
        **{name: getattr(entry, name) for name in (*named, *measured, "synthetic", "waits_for", "get")},
        "languages": list(entry.languages),
        "state": status.state if entry.waits_for is None else "not usable yet",
        "problem": status.problem if status.state == "damaged" else None,
        "profiles": [name for name, profile in profiles.items() if entry.name in profile.models.values()],
    }


def _note(model: Mapping[str, Any]) -> str:
    if model["waits_for"] is not None:
        return f"waits for {model['waits_for']}"
    if model["synthetic"]:
        return "synthetic: for tests and the demo"
    if model["licence_acceptance"]:
        return "its terms must be accepted"
    return model["good_for"] or ""
