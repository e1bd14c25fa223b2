"""What a Beam worker is: how it says that an input is bad, and the process that it is locally.

`python -m pipeline.running.worker FD,FD,...` is as many workers as it gets sockets from crew.Crew:
it imports what they need once and then forks, before there is any thread or channel. A worker
serves one Beam pipeline after another, each named by a line of its socket, and ends as soon as the
socket does: with its run, however that ended. Beam's own workers are started anew for each
pipeline, and outlive a killed run.
"""

import io
import itertools
import json
import logging
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from typing import Any, TextIO

BAD_INPUT, END = "\u27e6bad input\u27e7", "\u27e6end\u27e7"
"""Mark a message for the user inside a runner's traceback, which loses the exception's type."""
_LOOK_SECONDS = 0.1
_OPTIONAL = ("boto3", "google.cloud", "pandas", "pymongo")
"""What Beam and pyarrow import where it is there, and have no use for on one machine: half of the
time that their imports take, and 70 MB in each process."""


def bad_input(message: str) -> ValueError:
    """Return an error whose message survives any runner's wrapping."""
    return ValueError(f"{BAD_INPUT}{message}{END}")


def is_debugging() -> bool:
    """Tell whether the tracebacks behind a bad input are wanted."""
    return bool(os.environ.get("GRISTMILL_DEBUG"))


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


def has_ended(link: socket.socket) -> bool:
    """Tell whether the run at the other end of a socket has ended."""
    readable, _, _ = select.select([link], [], [], 0)
    return bool(readable) and not link.recv(1, socket.MSG_PEEK)


@contextmanager
def _ending_with(link: socket.socket) -> Iterator[None]:
    """End this process soon after its run, while the block runs; no thread is left behind it."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK_SECONDS):
            if has_ended(link):
                os._exit(1)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _Absent(MetaPathFinder):
    """Finds that some packages are not installed."""

    def __init__(self, names: tuple[str, ...]):
        self._names = names

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@contextmanager
def lean_imports(*names: str) -> Iterator[None]:
    """Let packages (or all that is optional) look as if not installed, while the block runs."""
    absent = _Absent(names or _OPTIONAL)
    sys.meta_path.insert(0, absent)
    try:
        yield
    finally:
        sys.meta_path.remove(absent)


def listen(link: socket.socket, jobs: "queue.SimpleQueue[dict[str, str]]", stderr: Stderr) -> None:
    """Queue the pipelines that the run names, and end this process soon after the run."""
    text = b""
    while True:
        num = stderr.num_waiting()
        readable, _, _ = select.select([link], [], [], _LOOK_SECONDS)
        if not readable:
            stderr.pass_on(num)
            continue
        try:
            more = link.recv(1 << 16)
        except ConnectionResetError:
            more = b""
        if not more:
            os._exit(1)
        *lines, text = (text + more).split(b"\n")
        for line in lines:
            jobs.put(json.loads(line))


def serve(link: socket.socket) -> None:
    """Be the worker of one pipeline after another, until the run has ended."""
    stderr = Stderr(sys.stderr)
    jobs: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(link, jobs, stderr), daemon=True).start()
    if not is_debugging():
        sys.stderr = stderr
    try:
        while True:
            _work(jobs.get())
            stderr.pass_on(stderr.num_waiting())
            link.sendall(b"\n")
    except BaseException:
        # If the run's end is what it is about, this process ends here, and says nothing.
        time.sleep(2 * _LOOK_SECONDS)
        stderr.pass_on(stderr.num_waiting())
        sys.stderr = sys.__stderr__
        raise


def _work(environment: dict[str, str]) -> None:
    """Work for one pipeline, which is told as Beam's containers tell it, until it has ended."""
    from apache_beam.runners.worker import sdk_worker_main

    harness: Any
    _, harness, _ = sdk_worker_main.create_harness(environment)  # pyright: ignore[reportGeneralTypeIssues]
    harness.run()


def _warm() -> None:
    """Load, or compile, what the stages over all text compute with; pages of it are shared."""
    import numpy as np
    import pyarrow as pa

    from pipeline.match import clusters, lsh, similar
    from pipeline.measure import metrics, minhash
    from pipeline.text import clean, words

    clean.clean_text("é")
    text = pa.array(["A text of so few words."])
    metrics.measure(text, ["en"])
    shingles = minhash.shingle_views(words.normalized_views(text), size=2)
    minhash.signatures(shingles, num_permutations=8, seed=1)
    one = np.zeros(1, np.int64)
    sets = lsh.Sets(ids=one.astype(np.uint64), starts=one, ends=one + 1, values=shingles.hashes[:1])
    told = one.astype(np.uint64)
    similar.verify(told, told, told + np.uint64(1), sets, cover=clusters.LEAST_COVER)


def main() -> None:
    """Import everything, become as many workers as there are sockets, and serve."""
    # Ctrl-C in a terminal goes to every process of the run; that of the run itself counts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What Beam logs of an error it prints as well, and sends to the run.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    links = [socket.socket(fileno=int(number)) for number in sys.argv[1].split(",")]
    with _ending_with(links[0]), lean_imports():
        from apache_beam.runners.worker import sdk_worker_main  # noqa: F401 - for the forks

        from pipeline import stages  # noqa: F401
        from pipeline.running import beam_steps  # noqa: F401

        _warm()
    mine = next((link for link in links[1:] if not os.fork()), links[0])
    for link in links:
        if link is not mine:
            link.close()
    serve(mine)


if __name__ == "__main__":
    main()
