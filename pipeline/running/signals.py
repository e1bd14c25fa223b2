"""End at once on Ctrl-C or SIGTERM.

Every file appears whole or not at all, so there is nothing to wind down: worker processes notice
at once that their run has ended (worker.py), and the next run sweeps up temporary files.
Waiting for Beam's threads would take longer and gain nothing.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def end_cleanly() -> Iterator[None]:
    """Install the handlers while the block runs."""
    before = {number: signal.signal(number, _end) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    sys.stderr.write("\ninterrupted: finished parts are kept, and the next run goes on from them\n")
    sys.stderr.flush()
    os._exit(128 + number)
