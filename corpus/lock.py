"""One writer per folder.

Locally the lock is `flock` on a file, which the kernel frees when the process ends, however it
ends. An object store has no such thing, so there a small object names its owner, and only its
owner or a person removes it.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from corpus import storage

_NAME = ".lock"
_USE = ".use"


@contextmanager
def locked(folder: str, *, command: str) -> Iterator[None]:
    """Hold the folder's lock while the block runs.

    Args:
        folder: path or URL of the folder; it is made when absent.
        command: what to tell the next one who finds the lock held.

    Raises:
        ValueError: another process holds it; the message names that process and the cure.
    """
    owner = {"command": command, "host": socket.gethostname(), "pid": os.getpid()}
    local = storage.local_path(folder)
    if local is not None:
        with _locked_local(local, owner=owner):
            yield
        return
    url = storage.join(folder, _NAME)
    if storage.exists(url):
        held = _read_owner(url)
        if not _is_dead(held):
            raise ValueError(
                f"{folder}: in use by `{held['command']}` (process {held['pid']} on "
                f"{held['host']}); wait for it, or if it is gone remove {url}"
            )
    storage.write_bytes(url, json.dumps(owner, sort_keys=True).encode())
    try:
        yield
    finally:
        storage.remove(url)


def _read_owner(url: str) -> dict[str, object]:
    try:
        return json.loads(storage.read_bytes(url))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{url}: a lock that does not tell whose it is; if no run is under way, remove it"
        ) from error


def _is_dead(owner: dict[str, object]) -> bool:
    if owner["host"] != socket.gethostname():
        return False
    try:
        os.kill(int(str(owner["pid"])), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@contextmanager
def _locked_local(folder: Path, *, owner: dict[str, object]) -> Iterator[None]:
    # Python's descriptors are not inherited by the workers a run starts, so a worker that
    # outlives its run does not keep the lock.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _NAME).open("a+b", buffering=0)
    except OSError as error:
        raise ValueError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder, or change its "
            "owner or mode"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            held = file.read().decode("utf-8", "replace").strip() or "another process"
            raise ValueError(
                f"{folder}: in use by {held}; wait for it to finish or stop it"
            ) from error
        file.truncate(0)
        # On a full disk the name is missing, and the lock holds all the same.
        with suppress(OSError):
            file.write(f"`{owner['command']}` (process {owner['pid']} on {owner['host']})".encode())
        yield


@contextmanager
def using(folder: str) -> Iterator[None]:
    """Mark a set as in use while the block runs, so that `gc` leaves it alone.

    Any number of readers may use a set at once. On an object store, or a folder that cannot be
    written, nothing is marked: there only the pointers in DATA/corpora protect a set.
    """
    local = storage.local_path(folder)
    if local is None or not os.access(local, os.W_OK):
        yield
        return
    with (local / _USE).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def is_used(folder: str) -> bool:
    """Tell whether a process of this machine reads a set just now."""
    local = storage.local_path(folder)
    if local is None or not (local / _USE).exists():
        return False
    with (local / _USE).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
