"""What the page's tests need around it: a real server, a line to it that can be cut, and a browser."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, WebSocket, sync_playwright

SERVER_START_S = 120.0


@dataclass(frozen=True)
class Served:
    port: int
    key: str


@contextmanager
def serve_demo(folder: Path) -> Iterator[Served]:
    """`aura serve` with the demo profile and the museum's documents, in a process of its own."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AURA_")},
        "AURA_HOME": str(folder / "home"),
        "AURA_MASTER_KEY_FILE": str(folder / "key" / "master.key"),
        "AURA_LIMITS__DISK_RESERVE_BYTES": "0",
    }
    command = [sys.executable, "-m", "aura_server", "--profile", "demo", "--port", "0", "--demo-tenant"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    watchdog = threading.Timer(SERVER_START_S, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if match := re.search(r"http://127\.0\.0\.1:(\d+)/#key=(\S+)", line):
                break
        else:
            raise AssertionError(f"the server did not start:\n{said}")
        watchdog.cancel()
        drain = threading.Thread(target=process.stdout.read, daemon=True)
        drain.start()
        yield Served(int(match[1]), match[2])
    finally:
        watchdog.cancel()
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            drain.join(10)
            process.stdout.close()


class Line:
    """A TCP line to the server that can be cut like a pulled cable."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """Drop every connection that is open now, without goodbye."""
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            pair = (near, socket.create_connection(("127.0.0.1", self._target)))
            self._pairs.append(pair)
            thread = threading.Thread(target=_carry, args=pair)
            self._threads.append(thread)
            thread.start()


def _carry(near: socket.socket, far: socket.socket) -> None:
    with near, far, suppress(OSError):
        while True:
            for end in select.select([near, far], [], [])[0]:
                data = end.recv(65536)
                if not data:
                    return
                (far if end is near else near).sendall(data)


@dataclass
class Watched:
    """A page, and everything about it that a test may ask."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Console errors and warnings, exceptions, and violations of the content security policy."""
    expected_statuses: set[int] = field(default_factory=set)
    """The browser itself notes each refused request; those with these statuses are what the test is about."""
    sockets: list[WebSocket] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    audio_bytes: int = 0

    def __post_init__(self) -> None:
        self.page.on("request", self._request)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("websocket", self._socket)
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) => "
            "console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"
        )

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in [*self.sent, *self.received] if message["type"] == kind]

    def wait_until(self, condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
        for _ in range(int(timeout_s * 20)):
            if condition():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{what} did not happen within {timeout_s:g} s")

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _console(self, message: ConsoleMessage) -> None:
        refusal = re.match(
            r"Failed to load resource: the server responded with a status of (\d+) ", message.text
        )
        expected = refusal is not None and int(refusal[1]) in self.expected_statuses
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(message.text)

    def _socket(self, opened: WebSocket) -> None:
        self.requests.append(opened.url)
        self.sockets.append(opened)
        opened.on("framesent", lambda payload: self._frame(self.sent, payload))
        opened.on("framereceived", lambda payload: self._frame(self.received, payload))

    def _frame(self, kept: list[dict[str, Any]], payload: str | bytes) -> None:
        if isinstance(payload, str):
            kept.append(json.loads(payload))
        elif kept is self.received:
            self.audio_bytes += len(payload) - 16


@contextmanager
def watched_page(
    browser: Browser, address: str, size: tuple[int, int] = (1280, 800), scheme: str = "light"
) -> Iterator[Watched]:
    """The page, open; whatever a test does with it, it asks nobody else and complains of nothing."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    watched = Watched(context.new_page())
    watched.page.goto(address)
    yield watched
    origin = address.split("/")[2]
    assert {url.split("/")[2] for url in watched.requests} == {origin}
    assert watched.complaints == [], watched.complaints
    context.close()


def ask_in_writing(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    assert found is not None, "these tests need Chromium: apt-get install chromium"
    return found


@contextmanager
def browser_hearing(speech: Path | None) -> Iterator[Browser]:
    """Chromium whose microphone plays `speech` once from the moment it is opened; None has no microphone."""
    arguments = ["--no-sandbox", "--disable-background-networking", "--use-fake-ui-for-media-stream"]
    if speech is not None:
        arguments += [
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={speech}%noloop",
        ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def speak_to_file(path: Path, *parts: str | float) -> Path:
    """A wav of sentences spoken by espeak-ng, with silences in seconds between them."""
    import espeakng_loader

    from aura_local.adapters.espeak_voice import EspeakProcess, Speaker

    espeak = EspeakProcess(espeakng_loader.get_library_path(), str(espeakng_loader.get_data_path()))
    try:
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, espeak.sample_rate_hz, 0, "NONE", ""))
            for part in parts:
                if isinstance(part, str):
                    file.writeframes(b"".join(espeak.speak(part, Speaker())))
                else:
                    file.writeframes(bytes(2 * int(part * espeak.sample_rate_hz)))
    finally:
        espeak.kill()
    return path
