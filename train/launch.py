"""Start several ranks on this machine, and never leave one behind.

`torchrun` starts them as well and is what a cluster uses; this launcher exists so that one rank's
clear error stays the only thing on the screen.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_GRACE_SECONDS = 60.0


def launch(arguments: Sequence[str], *, num_ranks: int) -> int:
    """Run `python -m train ARGUMENTS` as `num_ranks` ranks and wait for all of them.

    SIGTERM and Ctrl-C reach every rank, which then write a checkpoint. When one rank fails, the
    others are stopped.

    Returns:
        the exit status: 0, or that of the first rank that failed.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    threads = max(1, (os.cpu_count() or 1) // num_ranks)
    common = {
        "WORLD_SIZE": str(num_ranks),
        "LOCAL_WORLD_SIZE": str(num_ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "train", *arguments],
            env={
                "OMP_NUM_THREADS": str(threads),
                **os.environ,
                **common,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
            },
            # Ranks are told of signals by this process alone, so that a terminal's Ctrl-C does
            # not arrive twice.
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        for rank in range(num_ranks)
    ]

    def forward(number: int, _: object) -> None:
        for process in ranks:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return _wait(ranks)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(ranks: "list[subprocess.Popen[bytes]]") -> int:
    failed = 0
    stop_at: float | None = None
    while any(process.poll() is None for process in ranks):
        if not failed:
            failed = next((p.returncode for p in ranks if p.returncode), 0)
            if failed:
                # The others wait in a collective for the one that is gone; a rank that stopped on
                # a signal has written its checkpoint together with them, so they end by themselves.
                stop_at = time.monotonic() + (_GRACE_SECONDS if failed > 128 else 2.0)
        if stop_at is not None and time.monotonic() > stop_at:
            for process in ranks:
                if process.poll() is None:
                    process.kill()
            stop_at = None
        time.sleep(0.05)
    failed = failed or next((p.returncode for p in ranks if p.returncode), 0)
    return failed if failed >= 0 else 128 - failed


def _die_with_parent() -> None:
    """Ask the kernel (Linux) to end this rank when the launcher ends, even by kill -9."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
