"""What a Beam worker is: how it says that an input is bad, and the process that it is locally.

`python -m pipeline.worker PID`, started by runner.Runner, is a worker that ends when its run,
process PID, has ended, however that ended. Beam's own workers outlive a killed run, for a minute
when they are only starting and for ever when they are at work.
"""

import io
import os
import shlex
import signal
import sys
import threading
import time
from typing import TextIO

BAD_INPUT, END = "\u27e6bad input\u27e7", "\u27e6end\u27e7"
"""Mark a message for the user inside a runner's traceback, which loses the exception's type."""
_LOOK_SECONDS = 0.1


def bad_input(message: str) -> ValueError:
    """Return an error whose message survives any runner's wrapping."""
    return ValueError(f"{BAD_INPUT}{message}{END}")


def is_debugging() -> bool:
    """Tell whether the tracebacks behind a bad input are wanted."""
    return bool(os.environ.get("GRISTMILL_DEBUG"))


def command(pid: int) -> str:
    """Return the shell command that starts a worker of process `pid`."""
    # Without `exec` a shell would stand between the two, and be the worker's parent.
    return f"exec {shlex.quote(sys.executable)} -m pipeline.worker {pid}"


def end_with_parent(pid: int) -> None:
    """End this process soon after its parent, process `pid`, has ended."""

    def watch() -> None:
        # Not kill(pid, 0): that finds a process which has ended and was not waited for, and one
        # which has got the number since.
        while os.getppid() == pid:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Stderr(io.TextIOBase):
    """stderr without what Beam says of a bad input or a run that has ended: the run told it."""

    def __init__(self, stream: TextIO, *, parent: int):
        self._stream = stream
        self._parent = parent
        self._dropped = False

    def write(self, text: str, /) -> int:
        if os.getppid() != self._parent:
            return len(text)
        # `print` writes the line's end for itself.
        self._dropped = BAD_INPUT in text or (self._dropped and text == "\n")
        return len(text) if self._dropped else self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()


def main() -> None:
    """Be a worker. Beam gives the rest in environment variables."""
    # Ctrl-C in a terminal goes to every process of the run; that of the run itself counts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = int(sys.argv[1])
    end_with_parent(parent)
    if not is_debugging():
        sys.stderr = _Stderr(sys.stderr, parent=parent)
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main([])


if __name__ == "__main__":
    main()
