"""Work that may never end, done in a child process that can be killed.

lxml and regular expressions run in C, where neither a signal handler nor a thread can stop them, so
the only sure end is the end of a process. The child lives from the first call to `close`, and is
started anew after each death. It dies with its parent: it ends when its pipe closes, on Linux it is
killed together with the thread that started it, and a limit on its CPU time ends it in any case.
"""

import importlib
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_MEMORY_STATUS = 86
"""Exit status of a child that ran out of memory."""
_PR_SET_PDEATHSIG = 1
_START_SECONDS = 60.0
"""For a child to import what it needs, on a busy machine."""


_of_this_thread = threading.local()


class GivenUp(Exception):  # noqa: N818 - it names a reason, not an error of ours
    """A call was given up; its only argument is the reason."""


class Watchdog:
    """Calls a function in a child process, and gives up calls that take too much.

    Use it as a context manager, in one thread.
    """

    def __init__(self, work: str, *, timeout_seconds: float, max_bytes: int) -> None:
        """Nothing is started before the first call.

        Args:
            work: the function as `module:name`; arguments and result are pickled.
            timeout_seconds: for one call.
            max_bytes: address space of the child.
        """
        self._work = work
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> "Watchdog":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child, if there is one."""
        if self._pipe is not None:
            self._pipe.close()
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self._child = self._pipe = None

    def call(self, *arguments: Any) -> Any:
        """Call the function.

        Raises:
            GivenUp: `timeout` (the clock), `out_of_memory`, or `crashed` (killed by a signal, or
                ended by an exception, which is on stderr). The last two were tried twice, the
                second time in a fresh child, so that they do not depend on earlier calls.
        """
        try:
            return self._call(arguments)
        except GivenUp as given_up:
            if given_up.args[0] == "timeout":
                raise
        return self._call(arguments)

    def _call(self, arguments: tuple[Any, ...]) -> Any:
        pipe = self._started()
        try:
            pipe.send_bytes(pickle.dumps(arguments, protocol=pickle.HIGHEST_PROTOCOL))
            if not pipe.poll(self._timeout_seconds):
                raise GivenUp("timeout")
            return pickle.loads(pipe.recv_bytes())
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            assert self._child is not None
            status = self._child.wait()
            reason = "timeout" if status == -signal.SIGXCPU else "crashed"
            raise GivenUp("out_of_memory" if status == _MEMORY_STATUS else reason) from error
        except GivenUp:
            self.close()
            raise
        finally:
            if self._child is not None and self._child.poll() is not None:
                self.close()

    def _started(self) -> Connection:
        if self._pipe is not None:
            return self._pipe
        ours, theirs = _pair()
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pipeline.web.watchdog",
                str(theirs.fileno()),
                self._work,
                str(self._timeout_seconds),
                str(self._max_bytes),
                str(os.getpid()),
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        theirs.close()
        self._pipe = ours
        # The first call's clock starts when the child is ready to work.
        if not ours.poll(_START_SECONDS):
            self.close()
            raise RuntimeError(f"{self._work}: its process did not start in {_START_SECONDS:.0f} s")
        try:
            ours.recv_bytes()
        except EOFError as error:
            self.close()
            raise RuntimeError(f"{self._work}: its process did not start; see stderr") from error
        return ours


def kept(work: str, *, timeout_seconds: float, max_bytes: int) -> Watchdog:
    """Return this thread's watchdog over a function, so that one child serves split after split.

    It ends with the thread, as any child does. Arguments as of `Watchdog`.
    """
    found: dict[tuple[str, float, int], Watchdog] = _of_this_thread.__dict__.setdefault(
        "watchdogs", {}
    )
    key = (work, timeout_seconds, max_bytes)
    if key not in found:
        found[key] = Watchdog(work, timeout_seconds=timeout_seconds, max_bytes=max_bytes)
    return found[key]


def _pair() -> tuple[Connection, Connection]:
    from multiprocessing import Pipe

    return Pipe(duplex=True)  # pyright: ignore[reportReturnType] - sockets, but of this interface


def _serve(descriptor: int, work: str, timeout_seconds: float, max_bytes: int, parent: int) -> None:
    """The child's life: answer calls until the pipe closes."""
    _die_with(parent)
    module, _, name = work.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    resource.setrlimit(resource.RLIMIT_AS, (max_bytes, max_bytes))
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    pipe = Connection(descriptor)
    pipe.send_bytes(b"ready")
    while True:
        try:
            arguments = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(used.ru_utime + used.ru_stime + 2 * timeout_seconds) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, most))
        pipe.send_bytes(pickle.dumps(function(*arguments), protocol=pickle.HIGHEST_PROTOCOL))


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before that
        sys.exit(0)


if __name__ == "__main__":
    try:
        _serve(
            int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
        )
    except MemoryError:
        # Not through the interpreter's end, which needs memory.
        os._exit(_MEMORY_STATUS)
