from __future__ import annotations

import logging
import threading

import anyio
import pytest
from aura_server.exit_deadline import FORCED, ExitDeadline, exit_deadline

PATIENCE_S = 5.0


class Ending:
    """Takes the place of the end of the process."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.happened = threading.Event()

    def __call__(self, code: int) -> None:
        self.codes.append(code)
        self.happened.set()


def test_an_end_that_does_not_come_is_forced_once(caplog: pytest.LogCaptureFixture) -> None:
    ending = Ending()
    deadline = ExitDeadline(0.01, end=ending)
    deadline.start()
    deadline.start()
    assert ending.happened.wait(PATIENCE_S)
    assert ending.codes == [FORCED]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_an_end_in_time_is_left_alone() -> None:
    ending = Ending()
    deadline = ExitDeadline(0.05, end=ending)
    deadline.start()
    deadline.cancel()
    assert not ending.happened.wait(0.15)


def test_nothing_counts_before_the_end_begins() -> None:
    with exit_deadline(0.001) as deadline:
        assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        deadline.cancel()


@pytest.mark.anyio
async def test_it_starts_when_the_server_is_told_to_stop() -> None:
    ending = Ending()
    deadline = ExitDeadline(0.01, end=ending)
    stopping: list[bool] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deadline.start_when, lambda: bool(stopping))
        await anyio.lowlevel.checkpoint()
        assert not ending.happened.is_set()
        stopping.append(True)
    assert await anyio.to_thread.run_sync(ending.happened.wait, PATIENCE_S)
