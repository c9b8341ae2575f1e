"""Time that passes only where everybody waits for it, sockets included."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest

from tests.support.virtual_time import VIRTUAL_TIME

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


async def test_an_hour_passes_at_once_and_in_order() -> None:
    began_s, order = time.monotonic(), []

    async def wake(after_s: float) -> None:
        await anyio.sleep(after_s)
        order.append((after_s, round(anyio.current_time())))

    async with anyio.create_task_group() as tasks:
        for after_s in (3_600, 60, 600):
            tasks.start_soon(wake, after_s)
    assert order == [(60, 60), (600, 600), (3_600, 3_600)]
    assert time.monotonic() - began_s < 5


async def test_what_comes_over_a_socket_is_there_before_a_deadline_passes() -> None:
    async def echo(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            while True:
                try:
                    await stream.send(await stream.receive())
                except anyio.EndOfStream:
                    return

    listeners = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listeners.extra(anyio.abc.SocketAttribute.local_port)
    async with listeners, anyio.create_task_group() as tasks:
        tasks.start_soon(listeners.serve, echo)
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for number in range(200):
                with anyio.fail_after(0.001):
                    await stream.send(bytes([number]))
                    assert await stream.receive() == bytes([number])
        tasks.cancel_scope.cancel()
    assert anyio.current_time() < 0.1


async def test_a_deadline_ends_what_never_comes() -> None:
    with pytest.raises(TimeoutError), anyio.fail_after(30):
        await anyio.Event().wait()
    assert 30 <= anyio.current_time() < 30.01
