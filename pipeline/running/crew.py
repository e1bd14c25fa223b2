"""The local worker processes of a run, started once and used by each of its Beam pipelines."""

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress


class Crew:
    """Worker processes on this machine (see pipeline/running/worker.py).

    Use it as a context manager: they end with it, and with this process, however that ends, since
    each holds the other end of a socket that closes then.
    """

    def __init__(self) -> None:
        """Nothing is started before `start`."""
        self._leaders: list[subprocess.Popen[bytes]] = []
        self._links: list[socket.socket] = []
        self._free: list[socket.socket] = []

    def start(self, num: int) -> None:
        """Have at least `num` workers; returns at once, while they import what they need."""
        missing = num - len(self._links)
        if missing <= 0:
            return
        pairs = [socket.socketpair() for _ in range(missing)]
        numbers = [theirs.fileno() for _, theirs in pairs]
        self._leaders.append(
            subprocess.Popen(
                [sys.executable, "-m", "pipeline.running.worker", ",".join(map(str, numbers))],
                pass_fds=numbers,
                # A worker is one of many: threads of its own, each with a heap, would only cost.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
            )
        )
        for ours, theirs in pairs:
            theirs.close()
            self._links.append(ours)
            self._free.append(ours)

    def send(self, environment: dict[str, str]) -> socket.socket:
        """Give a free worker a pipeline to work for; returns what `wait` takes."""
        link = self._free.pop(0)
        with suppress(BrokenPipeError):  # it has died, as `wait` will tell
            link.sendall(json.dumps(environment).encode() + b"\n")
        return link

    def wait(self, link: socket.socket) -> bool:
        """Wait for a worker to be done with its pipeline; False: it has died."""
        try:
            is_done = bool(link.recv(1))
        except ConnectionResetError:
            is_done = False
        if is_done:
            self._free.append(link)
        else:
            self._links.remove(link)
            link.close()
        return is_done

    def close(self) -> None:
        """End all workers."""
        for link in self._links:
            link.close()
        for leader in self._leaders:
            leader.wait()
        self._leaders, self._links, self._free = [], [], []

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
