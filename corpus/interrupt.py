"""Ctrl-C ends a command in one line and with status 130, wherever it meets it.

Imports nothing that takes time: the commands call it before they import anything else.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def end_at_once() -> None:
    """End the process on Ctrl-C, as long as no other handler is set.

    For a time in which nothing is begun that must be wound up: imports, above all, in which an
    exception would come out as whatever the module that is being imported makes of it.
    """
    # A shell starts what runs in its background with Ctrl-C ignored; that stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: FrameType | None) -> None:
    # Of several ranks one speaks. Not by sys.stderr, which may be in the middle of a line.
    if os.environ.get("RANK", "0") == "0":
        os.write(2, b"\nstopped; the same command goes on from here\n")
    os._exit(128 + number)


@contextmanager
def raised() -> Iterator[None]:
    """Have Ctrl-C raise KeyboardInterrupt while the block runs, so that what is begun is undone."""
    if signal.getsignal(signal.SIGINT) is not _end:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _end)
