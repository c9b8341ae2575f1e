"""Lets go of what a run held that was cut short. Layer 2."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def releasing_frames() -> Iterator[None]:
    """Clear the local variables of whatever an exception or a cancellation has ended inside the block.

    Its traceback holds their frames, and where it passed through a thread the frames hold it in turn: a
    document of ten million characters would stay until the garbage collector comes round to old objects,
    which in a quiet server takes minutes.
    """
    try:
        yield
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        raise
