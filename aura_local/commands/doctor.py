"""`aura doctor`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aura_local.commands.failures import ExitCode
from aura_local.commands.offline_proof import prove_offline
from aura_local.commands.options import HomeOption, JsonOption, ProfileOption
from aura_local.commands.output import print_json, print_table
from aura_local.commands.panels import INSTALLATION
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    application.command("doctor", rich_help_panel=INSTALLATION)(doctor)


def doctor(
    prove: Annotated[
        bool,
        typer.Option("--prove-offline", help="Run a spoken turn under watch and show what it did."),
    ] = False,
    as_json: JsonOption = False,
    profile: ProfileOption = None,
    home: HomeOption = None,
) -> None:
    """Check this installation: engines, settings with their sources, encryption, disk, audio.

    Changes nothing. Exit code 3 when an engine's model or package is missing, 1 when one fails.
    With --prove-offline 1 when anything reached for another machine, or nothing could be proven.
    """
    if prove:
        raise typer.Exit(prove_offline(home=home, profile=profile, as_json=as_json))

    async def work(loaded: LoadedSettings) -> ExitCode:
        from aura_local.commands.diagnosis import diagnose, worst_state

        found = await diagnose(loaded)
        if as_json:
            print_json(found)
        else:
            _print(found)
        outcomes = {"failed": ExitCode.FAILED, "missing": ExitCode.MISSING, "loaded": ExitCode.DONE}
        return outcomes[worst_state(found["engines"])]

    run_command(work, home=home, profile=profile, as_json=as_json)


def _print(found: dict[str, Any]) -> None:
    machine, data, encryption, audio = (found[name] for name in ("machine", "data", "encryption", "audio"))
    print(f"AURA Local {found['version']} on Python {found['python']}, {machine['system']}")
    print()
    print_table(
        ("engine", "state", "model", "note"),
        [
            (
                engine["job"].replace("_", " "),
                engine["state"],
                engine["model"] + (" (synthetic)" if engine["synthetic"] else ""),
                engine["message"] or engine["note"],
            )
            for engine in found["engines"]
        ],
    )
    for engine in found["engines"]:
        if engine["command"]:
            print(f"  to get {engine['model']}: {engine['command']}")
    print()
    available = machine["memory_available_bytes"]
    print_table(
        ("machine", ""),
        [
            ("cores", f"{machine['cores']}, of which the engines use {machine['engine_cores']}"),
            ("memory", _size(machine["memory_bytes"]) + (f", {_size(available)} free" if available else "")),
            ("GPU", _gpus(machine["gpus"])),
            ("load", " ".join(f"{value:.2f}" for value in machine["load"])),
            ("data folder", f"{data['home']}" + ("" if data["created"] else " (not created yet)")),
            ("disk", f"{_size(data['disk_free_bytes'])} free of {_size(data['disk_bytes'])}"),
            ("encryption", f"{encryption['cipher']}; master key {_master_key(encryption)}"),
            ("", encryption["protects"]),
            ("vector indexes", _vectors(encryption)),
            ("offline", found["confinement"]["explanation"]),
            ("reading files", _sandbox(found["sandbox"])),
            ("microphone", _audio(audio)),
        ],
    )
    print()
    advice = found["advice"]
    print(f"Recommended profile: {advice['profile'] or 'none'}. {advice['why']}")
    if advice["command"]:
        print(f"  {advice['command']}")
    elif advice["profile"]:
        print("  All of its models are here.")
    print()
    source = found["settings_file"] or "no aura.toml"
    print_table(
        ("setting", "value", f"source ({source})"),
        [(name, row["value"], row["source"]) for name, row in found["settings"].items()],
    )


def _size(count_bytes: int) -> str:
    return f"{count_bytes / 1024**3:.1f} GiB"


def _gpus(gpus: list[dict[str, Any]]) -> str:
    return "; ".join(f"{gpu['name']}, {_size(gpu['memory_bytes'])}" for gpu in gpus) or "none"


def _master_key(encryption: dict[str, Any]) -> str:
    present = "" if encryption["master_key_present"] else " (made at the first start)"
    sealed = "sealed by a passphrase in " if encryption["master_key_source"] == "passphrase" else ""
    return f"{sealed}{encryption['master_key_file']}{present}"


def _vectors(encryption: dict[str, Any]) -> str:
    left = encryption["left_on_disk"]
    remains = f"; {left} tenants still have one on the disk, until they are next asked" if left else ""
    return f"{encryption['vectors']}{remains}"


def _sandbox(sandbox: dict[str, Any]) -> str:
    if "problem" in sandbox:
        return str(sandbox["problem"])
    measures = ["a process of its own with limits on time and size"]
    measures += ["no network"] if sandbox["network_cut"] else ["network not cut on this system"]
    measures += ["memory limited"] if sandbox["memory_limited"] else ["memory not limited on this system"]
    return ", ".join(measures)


def _audio(audio: dict[str, Any]) -> str:
    if not audio["portaudio"]:
        return str(audio["problem"])
    return f"PortAudio; {audio['microphones']} microphones, {audio['loudspeakers']} loudspeakers"
