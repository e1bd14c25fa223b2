"""What a Beam worker is: how it says that an input is bad, and the process that it is locally.

`python -m pipeline.worker PID`, started by runner.Runner, is a worker that ends when its run,
process PID, has ended, however that ended. Beam's own workers outlive a killed run, for a minute
when they are only starting and for ever when they are at work.
"""

import io
import itertools
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


class Stderr(io.TextIOBase):
    """stderr without what Beam says of a bad input or of a run that has ended: the run told it.

    What is written waits until the run has been seen alive once more.
    """

    def __init__(self, stream: TextIO):
        """Take the stream that all else goes to."""
        self._stream = stream
        self._waiting: list[str] = []

    def write(self, text: str, /) -> int:
        """Keep a text."""
        self._waiting.append(text)
        return len(text)

    def num_waiting(self) -> int:
        """Return how many texts wait."""
        return len(self._waiting)

    def pass_on(self, num: int) -> None:
        """Write the first of the waiting texts."""
        ready, self._waiting[:num] = self._waiting[:num], []
        for before, text in itertools.pairwise(["", *ready]):
            # `print` writes the line's end for itself.
            if BAD_INPUT not in text and not (text == "\n" and BAD_INPUT in before):
                self._stream.write(text)
        self._stream.flush()


def end_with_parent(pid: int, stderr: Stderr) -> None:
    """End this process soon after its parent, process `pid`, has ended."""

    def watch() -> None:
        # Not kill(pid, 0): that finds a process which has ended and was not waited for, and one
        # which has got the number since.
        while os.getppid() == pid:
            num = stderr.num_waiting()
            time.sleep(_LOOK_SECONDS)
            if num and os.getppid() == pid:
                stderr.pass_on(num)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Be a worker. Beam gives the rest in environment variables."""
    # Ctrl-C in a terminal goes to every process of the run; that of the run itself counts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stderr = Stderr(sys.stderr)
    end_with_parent(int(sys.argv[1]), stderr)
    if not is_debugging():
        sys.stderr = stderr
    from apache_beam.runners.worker import sdk_worker_main

    try:
        sdk_worker_main.main([])
    except BaseException:
        # If the run's end is what it is about, this process ends here, and says nothing.
        time.sleep(2 * _LOOK_SECONDS)
        raise
    finally:
        stderr.pass_on(stderr.num_waiting())
        sys.stderr = sys.__stderr__


if __name__ == "__main__":
    main()
