"""SIGTERM while clients are connected, one of which reads nothing: a real process, ended in time."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from time import monotonic

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from aura_local.settings import LimitSettings

SERVER = """
import asyncio, sys
import uvicorn
from aura_server.http_protocol import server_config
from aura_server.exit_deadline import exit_deadline
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route, WebSocketRoute

async def endless(request):
    async def pieces():
        while True:
            yield bytes(65536)
            await asyncio.sleep(0)
    return StreamingResponse(pieces())

async def greet(websocket):
    await websocket.accept()
    await websocket.send_text('"hello"')
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass

from aura_local.settings import LimitSettings
import socket, threading
limits = LimitSettings(shutdown_s=float(sys.argv[1]))
app = Starlette(routes=[Route("/", endless), WebSocketRoute("/ws", greet)])
with socket.create_server(("127.0.0.1", 0)) as listener, exit_deadline(limits.shutdown_s) as deadline:
    print(listener.getsockname()[1], flush=True)
    server = uvicorn.Server(server_config(app, limits))
    async def main():
        watching = asyncio.create_task(deadline.start_when(lambda: server.should_exit))
        await server.serve(sockets=[listener])
    import signal
    signal.signal(signal.SIGTERM, lambda *_: None)
    asyncio.run(main())
    if sys.argv[2] == "hang":
        threading.Event().wait()
"""


class Stopped:
    """How a server of these arguments ended after SIGTERM."""

    def __init__(self, shutdown_s: float, end: str) -> None:
        arguments = [sys.executable, "-c", SERVER, str(shutdown_s), end]
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            watchdog = threading.Timer(20, process.kill)
            watchdog.start()
            try:
                assert process.stdout is not None
                port = int(process.stdout.readline())
                self._stop(process, port)
            finally:
                watchdog.cancel()
                process.kill()

    def _stop(self, process: subprocess.Popen[str], port: int) -> None:
        with socket.socket() as stalled, connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as good:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.connect(("127.0.0.1", port))
            stalled.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert stalled.recv(10) == b"HTTP/1.1 2"
            assert json.loads(good.recv()) == "hello"
            began = monotonic()
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                good.recv(timeout=10)
            self.told_after_s = monotonic() - began
            assert closed.value.rcvd is not None
            self.close_code = closed.value.rcvd.code
            self.exit_code = process.wait(timeout=15)
            self.ended_after_s = monotonic() - began


def test_clients_are_told_at_once_and_a_stalled_one_holds_up_nothing() -> None:
    stopped = Stopped(LimitSettings().shutdown_s, "in time")
    assert stopped.close_code == 1012
    assert stopped.told_after_s < 1
    assert stopped.exit_code == 0
    assert stopped.ended_after_s < 10


def test_whatever_hangs_the_process_ends_at_the_limit() -> None:
    stopped = Stopped(1, "hang")
    assert stopped.close_code == 1012
    assert stopped.exit_code == 1
    assert 0.5 < stopped.ended_after_s < 3
