"""A PulseAudio of the test's own, whose sound cards are null sinks that come and go."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aura_local.audio.frame import from_pcm16, to_pcm16
from aura_local.ports import SPEECH_RATE_HZ, Samples

START_S = 10.0
ALSA_CARDS = """
pcm.test_microphone {{ type pulse server "{server}" device "person.monitor" }}
pcm.test_loudspeaker {{ type pulse server "{server}" device "room" }}
"""
"""PortAudio knows no PulseAudio; it reaches one through ALSA."""


@dataclass
class SoundServer:
    """What is played into `person` is heard by the microphone; the loudspeaker plays into `room`."""

    folder: Path
    modules: dict[str, str] = field(default_factory=dict)
    recorders: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """For whoever shall have these devices, and no others."""
        system, own = "/usr/share/alsa/alsa.conf", self.folder / "asound.conf"
        return {
            "PULSE_SERVER": f"unix:{self.folder}/socket",
            "XDG_RUNTIME_DIR": str(self.folder),
            "ALSA_CONFIG_PATH": f"{system}:{own}",
        }

    def plug(self, sink: str) -> None:
        rate = f"rate={SPEECH_RATE_HZ}"
        self.modules[sink] = self._control("load-module", "module-null-sink", f"sink_name={sink}", rate)
        # A null sink works in pieces of two seconds until somebody listens who wants shorter ones.
        with (self.folder / f"{sink}.raw").open("ab") as target:
            self.recorders[sink] = self._start("parec", "--device", f"{sink}.monitor", stdout=target)

    def unplug(self, sink: str) -> None:
        recorder = self.recorders.pop(sink)
        recorder.terminate()
        recorder.wait()
        self._control("unload-module", self.modules.pop(sink))

    def echo(self, volume: str) -> None:
        """From now on the microphone hears the loudspeaker, 100 ms later, at this volume."""
        way = ("source=room.monitor", "sink=person", "latency_msec=100")
        owner = self._control("load-module", "module-loopback", *way)
        entries = self._control("list", "sink-inputs").split("Sink Input #")
        index = next(entry.split()[0] for entry in entries if f"Owner Module: {owner}\n" in entry)
        self._control("set-sink-input-volume", index, volume)

    def say(self, samples: Samples) -> None:
        """Play speech (16 kHz) to the microphone."""
        # The last word on latency counts: a busy machine must not tear the question.
        player = self._start(
            "pacat", "--playback", "--device=person", "--latency-msec=500", stdin=subprocess.PIPE
        )
        player.communicate(to_pcm16(samples), timeout=START_S * 3)

    def heard(self, sink: str) -> Samples:
        """Everything that was played into a sink so far."""
        data = (self.folder / f"{sink}.raw").read_bytes()
        return from_pcm16(data[: len(data) // 2 * 2])

    def _start(self, program: str, *arguments: str, **streams: object) -> subprocess.Popen[bytes]:
        form = ("--raw", "--format=s16le", f"--rate={SPEECH_RATE_HZ}", "--channels=1", "--latency-msec=20")
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            [program, *form, *arguments], env=self._environment(), stderr=subprocess.DEVNULL, **streams
        )

    def _control(self, *arguments: str) -> str:
        done = subprocess.run(
            ["pactl", *arguments], env=self._environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **self.environment}


@contextmanager
def sound_server(folder: Path) -> Iterator[SoundServer]:
    """Runs until the end of the block, with both sinks plugged in. `folder` needs a short path."""
    folder.chmod(0o700)
    protocol = f"module-native-protocol-unix socket={folder}/socket auth-anonymous=1"
    (folder / "asound.conf").write_text(ALSA_CARDS.format(server=f"unix:{folder}/socket"))
    server = SoundServer(folder)
    with ExitStack() as processes:
        daemon = subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm", "-L", protocol],
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        processes.callback(daemon.wait)
        processes.callback(daemon.terminate)
        deadline_s = time.monotonic() + START_S
        while not (folder / "socket").exists():
            assert time.monotonic() < deadline_s, "PulseAudio does not start"
            time.sleep(0.02)
        for sink in ("person", "room"):
            server.plug(sink)
        yield server
        for recorder in server.recorders.values():
            recorder.terminate()
            recorder.wait()
