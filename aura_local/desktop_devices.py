"""The audio devices of this machine, and which one is meant by a number or a name. Layer 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from aura_local.errors import ConfigurationError, EngineUnavailable, ModelMissing

INSTALL_PORTAUDIO: Final = "sudo apt-get install libportaudio2"
Kind = Literal["microphone", "loudspeaker"]


@dataclass(frozen=True, slots=True)
class AudioDevice:
    index: int
    name: str
    input_channels: int
    output_channels: int
    default_rate_hz: int
    default_input: bool
    default_output: bool

    def serves_as(self, kind: Kind) -> bool:
        return (self.input_channels if kind == "microphone" else self.output_channels) > 0


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """What the user wants: a number, a name or a part of one; None is the system's default."""

    microphone: str | None = None
    loudspeaker: str | None = None

    def by_name(self, devices: Sequence[AudioDevice]) -> DeviceChoice:
        """The same with names for numbers: a device that comes back has its name, maybe another number."""
        names = {str(device.index): device.name for device in devices}
        return DeviceChoice(
            names.get(self.microphone or "", self.microphone),
            names.get(self.loudspeaker or "", self.loudspeaker),
        )


def find_device(devices: Sequence[AudioDevice], kind: Kind, wanted: str | None) -> AudioDevice:
    """The device of that number, of exactly that name, or the only one with that part of a name.

    Raises `EngineUnavailable` where no device serves as such, `ConfigurationError` for an unknown or
    ambiguous choice.
    """
    able = [device for device in devices if device.serves_as(kind)]
    if wanted is None:
        able = [d for d in able if (d.default_input if kind == "microphone" else d.default_output)]
        if not able:
            raise EngineUnavailable(f"This machine has no {kind}, or lends it to no program.")
        return able[0]
    part = wanted.casefold()
    for found in (
        [device for device in able if str(device.index) == wanted],
        [device for device in able if device.name.casefold() == part],
        [device for device in able if part in device.name.casefold()],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigurationError(
                f"{len(found)} devices fit the {kind} {wanted!r}; give more of the name, or the number: "
                "`aura talk --list-devices` shows what there is."
            )
    raise ConfigurationError(
        f"No device {wanted!r} serves as {kind}; `aura talk --list-devices` shows what there is."
    )


def audio_devices() -> tuple[AudioDevice, ...]:
    """The devices of this machine. Raises `ModelMissing` where PortAudio is not installed."""
    sounddevice = portaudio()
    first_input, first_output = sounddevice.default.device
    return tuple(
        AudioDevice(
            index=int(device["index"]),
            name=str(device["name"]),
            input_channels=int(device["max_input_channels"]),
            output_channels=int(device["max_output_channels"]),
            default_rate_hz=int(device["default_samplerate"]),
            default_input=device["index"] == first_input,
            default_output=device["index"] == first_output,
        )
        for device in sounddevice.query_devices()
    )


def look_again() -> None:
    """Find devices that came or went: PortAudio looks only when it begins. Ends every open stream."""
    sounddevice = portaudio()
    sounddevice._terminate()
    sounddevice._initialize()


def portaudio() -> Any:
    """The module `sounddevice`. Raises `ModelMissing` where its library is not installed."""
    try:
        import sounddevice
    except OSError as error:  # sounddevice raises it while it looks for the library
        raise ModelMissing(
            "The system library PortAudio (package libportaudio2) is missing; "
            f"get it with: {INSTALL_PORTAUDIO}",
            code="system_package_missing",
        ) from error
    return sounddevice
