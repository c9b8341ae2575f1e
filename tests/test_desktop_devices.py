"""Which device is meant by a number, a name or a part of one."""

from __future__ import annotations

import pytest

from aura_local.desktop_devices import AudioDevice, DeviceChoice, find_device
from aura_local.errors import ConfigurationError, EngineUnavailable

DEVICES = (
    AudioDevice(0, "HDA Intel", 2, 2, 48_000, default_input=True, default_output=False),
    AudioDevice(1, "USB Headset: Audio", 1, 2, 48_000, default_input=False, default_output=True),
    AudioDevice(2, "USB Camera", 1, 0, 16_000, default_input=False, default_output=False),
    AudioDevice(3, "USB", 1, 0, 16_000, default_input=False, default_output=False),
)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [(None, "HDA Intel"), ("2", "USB Camera"), ("headset", "USB Headset: Audio"), ("usb", "USB")],
)
def test_a_microphone_is_found_by_number_name_or_part(wanted: str | None, name: str) -> None:
    assert find_device(DEVICES, "microphone", wanted).name == name


def test_only_devices_that_play_are_loudspeakers() -> None:
    assert find_device(DEVICES, "loudspeaker", None).index == 1
    assert find_device(DEVICES, "loudspeaker", "usb").index == 1
    with pytest.raises(ConfigurationError, match="--list-devices"):
        find_device(DEVICES, "loudspeaker", "2")


def test_an_ambiguous_or_unknown_name_is_one_clear_sentence() -> None:
    with pytest.raises(ConfigurationError, match="2 devices fit the microphone 'USB '"):
        find_device(DEVICES, "microphone", "USB ")
    with pytest.raises(ConfigurationError, match="No device 'Bluetooth' serves as microphone"):
        find_device(DEVICES, "microphone", "Bluetooth")
    with pytest.raises(EngineUnavailable, match="This machine has no microphone"):
        find_device((), "microphone", None)


def test_a_device_chosen_by_number_is_waited_for_by_name() -> None:
    choice = DeviceChoice("2", "headset").by_name(DEVICES)
    assert choice == DeviceChoice("USB Camera", "headset")
    assert DeviceChoice().by_name(DEVICES) == DeviceChoice()
